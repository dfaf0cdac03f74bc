"""Small servers on loopback that refuse what a backend's contract refuses, and answer what it says."""

"""The demo shop: four small services that call one another, and the faults to try Bongsu on."""

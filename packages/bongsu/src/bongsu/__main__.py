from bongsu.cli import main

main()

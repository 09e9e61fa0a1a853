from charthouse.cli import main

main()

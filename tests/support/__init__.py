"""What tests of several kinds need: a browser, a site run by its own command line, what holds for every screen."""

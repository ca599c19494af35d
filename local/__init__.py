"""The whole cloud on one machine: Google's and Firebase's emulators, development servers, what keeps them up."""

"""A trained network -> a bundle: calibration, operating points, card."""

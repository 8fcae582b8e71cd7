"""The variants that are compared: networks, an objective and a recipe under one name."""

"""What is compared: networks, an objective and a recipe under one name."""

"""What runs a bundle's networks: OpenVINO on a CPU, or PyTorch itself."""

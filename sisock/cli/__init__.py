"""The command ``sisock``: for people, over `sisock.bridge`."""

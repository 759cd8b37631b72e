"""The app's commands: for films, what is kept, accounts, and the clinic's other systems."""

"""What compares and searches recipes; nothing of it is needed to train one."""

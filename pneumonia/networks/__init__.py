"""torch modules only; nothing about files of users or HTTP."""

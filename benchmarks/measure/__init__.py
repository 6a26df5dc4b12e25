"""HOW it is measured: a process per trial, a clock inside it, a ledger of memory and of disturbances."""

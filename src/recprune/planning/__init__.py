"""Budget, plan and account: plain data that says what stays."""

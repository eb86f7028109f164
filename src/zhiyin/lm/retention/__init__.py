"""What a tuned model must not forget: guards while it learns, measures afterwards. No users, no items."""

"""What the policy's hard stops can ask of a customer, beside its score: `serving.standing` computes these, or takes them from a caller."""

FACTS = ("days_past_due", "open_lawsuit_amount", "in_default")

"""What the policy's hard stops can ask of a customer: `serving.standing` computes the facts, or takes them from a caller; the PD is the score's own."""

FACTS = ("days_past_due", "open_lawsuit_amount", "in_default")
PD = "pd_12m"
STOP_FIELDS = (*FACTS, PD)

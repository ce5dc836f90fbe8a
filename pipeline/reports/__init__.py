"""The pages people look at: the portfolio, the riskiest transactions, and one report per customer for the officer who decides."""

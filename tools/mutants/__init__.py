"""Wrong rules on purpose: how many of them do the generated proofs find out?"""

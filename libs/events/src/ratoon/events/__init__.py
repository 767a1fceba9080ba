"""The event log: one port, an embedded log, Apache Kafka, CloudEvents, inbox and dead letters.

It knows no service and no database of one: transactions, clock and publishing are given to it.
"""

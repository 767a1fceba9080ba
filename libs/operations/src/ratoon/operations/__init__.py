"""Rules of long-running operations; `job_machine` needs the standard library only, so that domains may import it."""

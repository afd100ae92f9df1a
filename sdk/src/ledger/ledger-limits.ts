/** Limits of the disclosure ledger. */
export const ledgerLimits = {
	/** Records of which the ledger counts; each takes about 100 bytes on the disk, and as many in memory. */
	maxLedgerRecords: 250_000,
} as const;

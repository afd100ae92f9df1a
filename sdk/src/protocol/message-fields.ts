/** Fields every message has. */
export interface Addressed {
	/** Device the message comes from or goes to: the same id as in the topic. */
	readonly device: string;
}

/** A value of a setting in a device's twin. */
export type TwinValue = number | boolean | string | readonly string[];

/** What a device's disclosure ledger counts. */
export interface DisclosureTotals {
	/** Records of which anything was released. */
	readonly records: number;
	/** Of a record each. */
	readonly releases: number;
	/** Bits released in all. */
	readonly bits: number;
	/** Bits released of the record of which most were. */
	readonly mostBits: number;
	/** Sum of the epsilons of a record's randomised releases, of the record where it is largest; 0 without any. */
	readonly mostEpsilon: number;
	/** Bits that may be released of one record; absent: any number. */
	readonly budgetBits?: number | undefined;
	/** Times a record was left out because its budget did not allow a release. */
	readonly leftOut: number;
}

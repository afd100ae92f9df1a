/** One line of `psgl doctor`. */
export interface Check {
	readonly name: string;
	/** `warn`: psgl runs, but perhaps not well. */
	readonly status: "ok" | "warn" | "fail";
	readonly found: string;
	/** What to do. */
	readonly remedy?: string;
}

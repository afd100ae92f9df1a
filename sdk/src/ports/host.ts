/** Port to the machine a device runs on, as far as a resource budget asks for it. */
export interface Host {
	/** Bytes of memory the process takes (resident set). */
	memoryBytes(): number;
	/** Degrees Celsius of the hottest sensor; undefined where there is none. */
	celsius(): Promise<number | undefined>;
	/** Whether the machine runs on mains; undefined where that cannot be told. */
	onMains(): Promise<boolean | undefined>;
	/** Gives other programs precedence, 0 to 19. */
	setNice(level: number): void;
}

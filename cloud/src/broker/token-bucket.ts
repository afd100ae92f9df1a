/** How fast something may happen on average, and how often at once. */
export interface Rate {
	readonly perSecond: number;
	readonly burst: number;
}

/** A token bucket: full at first, filled again at a steady rate, one token for each event. */
export class TokenBucket {
	readonly #rate: Rate;
	#tokens: number;
	#atMs: number;

	constructor(rate: Rate, nowMs: number) {
		this.#rate = rate;
		this.#tokens = rate.burst;
		this.#atMs = nowMs;
	}

	/** Takes a token; false when there is none. A clock that goes back fills nothing. */
	take(nowMs: number): boolean {
		this.#fill(nowMs);
		if (this.#tokens < 1) return false;
		this.#tokens -= 1;
		return true;
	}

	/** Whether nothing was taken for so long that forgetting the bucket changes nothing. */
	isFull(nowMs: number): boolean {
		this.#fill(nowMs);
		return this.#tokens >= this.#rate.burst;
	}

	#fill(nowMs: number): void {
		const elapsed = Math.max(0, nowMs - this.#atMs);
		this.#atMs = nowMs;
		this.#tokens = Math.min(this.#rate.burst, this.#tokens + (elapsed / 1000) * this.#rate.perSecond);
	}
}

/** One bucket for each key, at most `limit` of them: full ones are forgotten first. */
export class TokenBuckets {
	readonly #rate: Rate;
	readonly #limit: number;
	readonly #buckets = new Map<string, TokenBucket>();

	constructor(rate: Rate, limit: number) {
		this.#rate = rate;
		this.#limit = limit;
	}

	get size(): number {
		return this.#buckets.size;
	}

	/** Takes a token of `key`; false when it has none, or when there are too many keys to watch another. */
	take(key: string, nowMs: number): boolean {
		let bucket = this.#buckets.get(key);
		if (bucket === undefined) {
			if (this.#buckets.size >= this.#limit) this.#forgetFull(nowMs);
			if (this.#buckets.size >= this.#limit) return false;
			bucket = new TokenBucket(this.#rate, nowMs);
			this.#buckets.set(key, bucket);
		}
		return bucket.take(nowMs);
	}

	#forgetFull(nowMs: number): void {
		for (const [key, bucket] of this.#buckets) if (bucket.isFull(nowMs)) this.#buckets.delete(key);
	}
}

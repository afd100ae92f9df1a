/** Upper ends of the classes lags are counted in, milliseconds: doubling from 16 ms to about 18 hours. */
export const lagEdgesMs: readonly number[] = Array.from({ length: 23 }, (_, i) => 16 * 2 ** i);

/** Sums over the devices of one group. */
export interface GroupTotals {
	devices: number;
	/** Milliseconds on line, all devices together. */
	onlineMs: number;
	batches: number;
	bytesUp: number;
	bytesDown: number;
	joules: number;
	restarts: number;
	powerLosses: number;
}

/** How a fleet stood at a time. */
export interface FleetSample {
	/** Milliseconds since the start. */
	readonly at: number;
	readonly online: number;
	/** Bytes on the wire until then. */
	readonly bytesUp: number;
	readonly bytesDown: number;
	readonly joules: number;
}

/** What happened so far; its size depends on the scenario's groups and the number of samples, not on devices or events. */
export class FleetRecorder {
	readonly groups = new Map<string, GroupTotals>();
	/** Answers to batches by how long they took, in the classes of `lagEdgesMs`, for each kind of link. */
	readonly lags = new Map<string, number[]>();
	readonly samples: FleetSample[] = [];
	online = 0;
	outboxOverflows = 0;
	reconnects = 0;
	refusedConnections = 0;
	updated = 0;
	failedUpdates = 0;
	hostileMessages = 0;

	group(name: string): GroupTotals {
		const known = this.groups.get(name);
		if (known !== undefined) return known;
		const totals: GroupTotals = {
			devices: 0,
			onlineMs: 0,
			batches: 0,
			bytesUp: 0,
			bytesDown: 0,
			joules: 0,
			restarts: 0,
			powerLosses: 0,
		};
		this.groups.set(name, totals);
		return totals;
	}

	lag(link: string, ms: number): void {
		let counts = this.lags.get(link);
		if (counts === undefined) {
			counts = new Array<number>(lagEdgesMs.length + 1).fill(0);
			this.lags.set(link, counts);
		}
		const found = lagEdgesMs.findIndex((edge) => ms <= edge);
		const at = found < 0 ? lagEdgesMs.length : found;
		counts[at] = (counts[at] as number) + 1;
	}

	/** Takes down how things stand. @param joules of all devices until now */
	sample(at: number, joules: number): void {
		let bytesUp = 0;
		let bytesDown = 0;
		for (const group of this.groups.values()) {
			bytesUp += group.bytesUp;
			bytesDown += group.bytesDown;
		}
		this.samples.push({ at, online: this.online, bytesUp, bytesDown, joules });
	}
}

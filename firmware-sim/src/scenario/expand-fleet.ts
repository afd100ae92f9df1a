import type { Random } from "@psgl/sdk";
import type { MaliciousKind, Scenario, ScenarioGroup } from "./scenario.js";

/** One device of a scenario, with everything that chance decides about it. */
export interface FleetDevice {
	/** `GROUP-0001`. */
	readonly id: string;
	readonly group: ScenarioGroup;
	/** Network address, as the broker sees it. */
	readonly address: string;
	/** Training samples. */
	readonly samples: number;
	/** Validation samples: an eighth as many. */
	readonly validation: number;
	/** How many times slower than its profile it computes. */
	readonly slowdown: number;
	readonly malicious: MaliciousKind | undefined;
	/** Milliseconds from the start to its first power. */
	readonly firstOnMs: number;
	/** Milliseconds its clock is off after a start. */
	readonly clockErrorMs: number;
	/** Draws of its own: neither another device nor their number changes them. */
	readonly random: Random;
}

/** Validation samples of a device, for each training sample. */
const validationShare = 1 / 8;

/** The devices of a scenario in the order of their groups. The same seed makes the same ones. */
export function expandFleet({ fleet }: Pick<Scenario, "fleet">, random: Random): FleetDevice[] {
	return fleet.flatMap((group) => {
		const width = String(group.count).length;
		const draws = random.fork(`group ${group.name}`);
		const bad = maliciousPlaces(group, draws);
		const slow = new Set(draws.permutation(group.count).subarray(0, Math.round(group.stragglers.share * group.count)));
		return Array.from({ length: group.count }, (_, i): FleetDevice => {
			const id = `${group.name}-${String(i + 1).padStart(width, "0")}`;
			const own = random.fork(id);
			const { least, most } = group.samples;
			const samples = least + own.integer(most - least + 1);
			return {
				id,
				group,
				address: group.addresses === undefined ? id : `${group.name}/${i % group.addresses}`,
				samples,
				validation: Math.max(1, Math.floor(samples * validationShare)),
				slowdown: slow.has(i) ? group.stragglers.slowdown : 1,
				malicious: bad.get(i),
				firstOnMs: own.uniform() * group.rampHours * 3_600_000,
				clockErrorMs: Math.round(1000 * group.clockSkewSeconds * own.normal()),
				random: own,
			};
		});
	});
}

/** Who is malicious: as many of each kind as its share says, in places that chance decides. */
function maliciousPlaces({ count, malicious }: ScenarioGroup, random: Random): ReadonlyMap<number, MaliciousKind> {
	const order = random.permutation(count);
	const places = new Map<number, MaliciousKind>();
	for (const { kind, share } of malicious) {
		const wanted = Math.min(Math.round(share * count), count - places.size);
		for (let i = 0; i < wanted; i++) places.set(order[places.size] as number, kind);
	}
	return places;
}

import { ConfigError, DataError, type Random } from "@psgl/sdk";
import { type Dataset, indicesByClass } from "@psgl/sdk/sources";

/** Fewest samples `dealDirichlet` leaves a device with: enough for one small batch. */
export const minimumSamplesPerDevice = 8;

/**
 * Deals samples like shuffled cards: every device's share has the data set's own mix of classes, and shares
 * differ by at most one sample.
 *
 * @returns the indices of each device's samples
 * @throws ConfigError `PSGL_DEAL_DEVICES`
 */
export function dealIid(dataset: Dataset, devices: number, random: Random): Uint32Array[] {
	checkDevices(devices, dataset.length, "samples");
	const order = random.permutation(dataset.length);
	return Array.from({ length: devices }, (_, device) => order.filter((_index, i) => i % devices === device));
}

/**
 * Deals each class by shares drawn from Dirichlet(alpha, ..., alpha), as federated-learning studies do to make
 * devices unlike (Hsu, Qi, Brown, arXiv 1909.06335): small alpha, few classes a device; large alpha, nearly IID.
 * Devices left with fewer than `minimumSamplesPerDevice` (or an even share, if that is less) are then given
 * random samples of the device that has most. Where several classes may apply to a sample, it is dealt by the first of them
 * (`Dataset.labels`), samples to which none applies like a class of their own.
 *
 * @param alpha concentration, above 0
 * @throws ConfigError `PSGL_DEAL_DEVICES`, `PSGL_DEAL_ALPHA`
 */
export function dealDirichlet(dataset: Dataset, devices: number, alpha: number, random: Random): Uint32Array[] {
	checkDevices(devices, dataset.length, "samples");
	if (!(alpha > 0 && Number.isFinite(alpha))) {
		throw new ConfigError("PSGL_DEAL_ALPHA", {
			what: "the concentration of the Dirichlet deal cannot be used",
			got: String(alpha),
			expected: "a number above 0, for instance 0.5",
		});
	}
	const hands: number[][] = Array.from({ length: devices }, () => []);
	for (const members of indicesByClass(dataset.labels)) {
		const cuts = cumulativeShares(devices, alpha, random);
		random.permutation(members.length).forEach((position, i) => {
			const at = (i + 0.5) / members.length;
			const device = cuts.findIndex((cut) => at < cut);
			hands[device]?.push(members[position] as number);
		});
	}
	const minimum = Math.min(minimumSamplesPerDevice, Math.floor(dataset.length / devices));
	for (const hand of hands) {
		while (hand.length < minimum) {
			const richest = hands.reduce((most, other) => (other.length > most.length ? other : most));
			hand.push(...richest.splice(random.integer(richest.length), 1));
		}
	}
	return hands.map((hand) => shuffled(hand, random));
}

/** Upper ends of the devices' shares of one class; the last is past 1. */
function cumulativeShares(devices: number, alpha: number, random: Random): number[] {
	const draws = Array.from({ length: devices }, () => random.gamma(alpha));
	let total = draws.reduce((sum, draw) => sum + draw, 0);
	if (total === 0) {
		// Every draw underflowed, as a very small alpha makes likely: its limit is one device taking the class.
		draws[random.integer(devices)] = 1;
		total = 1;
	}
	let sum = 0;
	const cuts = draws.map((draw) => {
		sum += draw / total;
		return sum;
	});
	cuts[devices - 1] = Number.POSITIVE_INFINITY;
	return cuts;
}

/**
 * Deals whole patients, so that no patient's samples are on two devices: largest first, each to the device with
 * fewest samples so far.
 *
 * @throws DataError `PSGL_DEAL_NO_RECORDS` when the data set does not say which patient a sample is from
 * @throws ConfigError `PSGL_DEAL_DEVICES` when there are more devices than patients
 */
export function dealByPatient(dataset: Dataset, devices: number, random: Random): Uint32Array[] {
	if (dataset.records === undefined) {
		throw new DataError("PSGL_DEAL_NO_RECORDS", {
			what: "the data set does not say which patient each sample is from",
			expected: "a record number for each sample, as train_records in an npz file",
			remedy: "Deal the samples IID or by Dirichlet instead.",
		});
	}
	const patients = new Map<number, number[]>();
	dataset.records.forEach((record, i) => {
		const samples = patients.get(record);
		if (samples) samples.push(i);
		else patients.set(record, [i]);
	});
	checkDevices(devices, patients.size, "patients");
	// Shuffled before the stable sort, so that the seed decides between patients of equal size.
	const groups = [...patients.values()];
	const order = Array.from(random.permutation(groups.length), (position) => groups[position] as number[]);
	order.sort((a, b) => b.length - a.length);
	const hands: number[][] = Array.from({ length: devices }, () => []);
	for (const samples of order) {
		const smallest = hands.reduce((least, other) => (other.length < least.length ? other : least));
		smallest.push(...samples);
	}
	return hands.map((hand) => shuffled(hand, random));
}

function shuffled(hand: readonly number[], random: Random): Uint32Array {
	return random.permutation(hand.length).map((position) => hand[position] as number);
}

function checkDevices(devices: number, available: number, unit: string): void {
	if (Number.isInteger(devices) && devices >= 1 && devices <= available) return;
	throw new ConfigError("PSGL_DEAL_DEVICES", {
		what: `the ${unit} cannot be dealt to that many devices`,
		got: String(devices),
		expected: `a whole number from 1 to ${available}, the number of ${unit}`,
	});
}

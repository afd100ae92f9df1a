import { Aggregator, artifactDigest, partitionOf, RecordReader, RunStore, StoreExchange } from "@psgl/cloud";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { sha256 } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Participant, type Told } from "../chaos/participant.js";
import { NatsServers } from "../helpers/nats-servers.js";
import { smallModel } from "../helpers/small-model.js";
import type { StoreProcessOptions } from "../helpers/store-process.js";
import { scaleData } from "./scale-data.js";
import { StoreHealth } from "./store-health.js";

export interface ScaleOutOptions {
	readonly nodes: number;
	readonly aggregators: number;
	readonly devices: number;
	readonly rounds: number;
	/** Training batches of a device in a round. */
	readonly batches: number;
	/** Kill NATS servers and aggregators in turn, and at the end all servers together. */
	readonly kills: boolean;
	readonly stepMs?: number;
	readonly groupSize?: number;
	/** Milliseconds a device waits before it asks for a missing answer. Default 5,000. */
	readonly answerTimeoutMs?: number;
	/** As those of `RunStore` and `ownPartitions`; default: theirs. */
	readonly leaseMs?: number;
	readonly shareIdleMs?: number;
	readonly onProgress: (line: string) => void;
}

export interface ScaleOutResult {
	/** Different training batches whose answer a device got. */
	readonly acknowledged: number;
	/** Of these, the ones no optimiser step in a log was made with; and those an aggregator itself misses. */
	readonly lost: number;
	/** Batches two steps were made with, or whose answer a device took twice. */
	readonly doubled: number;
	/** The logs give the trained weights of every partition again, to the last bit. */
	readonly bitIdentical: boolean;
	/** Longest time in which no device of some partition got an answer, from the first answer to the last. */
	readonly worstStallSeconds: number;
	/** From the first answer to the last. */
	readonly stepsPerSecond: number;
	readonly kills: number;
}

interface Message extends Told {
	readonly url?: string;
	readonly partition?: number;
	readonly digest?: string;
	/** Why a partition was lost, or its training ended. */
	readonly reason?: string;
	readonly counts?: { readonly lost: number; readonly doubled: number };
}

/** Trains with several aggregators on several NATS servers, processes of their own, and counts what became of each batch. */
export async function runScaleOut(options: ScaleOutOptions): Promise<ScaleOutResult> {
	await using servers = await NatsServers.start(options.nodes);
	return await new ScaleOut(options, servers).run();
}

/** What a device tells when it has the answer to a batch, to its weights, and to the last of its validation batches. */
const answers: ReadonlySet<string> = new Set(["step", "trained", "validated"]);

/** Milliseconds within which a partition had an answer that does not stand still. */
const goingMs = 1_000;

class ScaleOut {
	readonly #options: ScaleOutOptions;
	readonly #servers: NatsServers;
	readonly #answered = new Map<string, number>();
	/** By partition, when the last answer came, milliseconds. */
	readonly #lastAnswer = new Map<number, number>();
	readonly #results = new Map<number, Message>();
	readonly #participants: Participant<Message>[] = [];
	#first = 0;
	#last = 0;
	#worst = 0;
	#failure: Error | undefined;
	#wake = () => {};

	constructor(options: ScaleOutOptions, servers: NatsServers) {
		this.#options = options;
		this.#servers = servers;
	}

	async run(): Promise<ScaleOutResult> {
		const { aggregators, devices, batches, onProgress } = this.#options;
		try {
			const shares = Array.from({ length: aggregators }, () => new Set<number>());
			const owners = shares.map((share) =>
				this.#start("aggregator", ({ type, partition = 0 }) => {
					if (type === "owned") share.add(partition);
					if (type === "lost") share.delete(partition);
				}),
			);
			// Whoever starts first has several for a while.
			await this.#until(() => shares.every((share) => share.size === 1));
			const url = await new Promise<string>((resolve) => this.#start("ingress", ({ url }) => url && resolve(url)));
			onProgress(`${aggregators} aggregators, ${this.#servers.urls.length} NATS servers, ${devices} devices`);
			const fleet = runFleet({
				url,
				devices,
				data: scaleData(devices, batches),
				seed: 5,
				runtime: nodeRuntime,
				answerTimeoutMs: this.#options.answerTimeoutMs ?? 5_000,
			});
			const following = this.#follow(fleet);
			const kills = this.#options.kills ? await this.#killInTurn(owners) : 0;
			await this.#until(() => this.#hasTrained);
			await following;
			return await this.#report(kills);
		} finally {
			await Promise.all(this.#participants.map((participant) => participant.end()));
		}
	}

	#start(role: "ingress" | "aggregator", onMessage: (message: Message) => void): Participant<Message> {
		const { aggregators: partitions, devices, rounds, stepMs = 0, groupSize, leaseMs, shareIdleMs } = this.#options;
		const shares = Array.from({ length: partitions }, () => 0);
		for (let i = 0; i < devices; i++) (shares[this.#partitionOf(i)] as number)++;
		const settings = { rounds, batchSize: 2, ...(groupSize && { groupSize }) };
		const participant = new Participant<Message>({
			file: "../helpers/store-process.js",
			options: (): StoreProcessOptions => ({
				role,
				servers: this.#servers.urls,
				partitions,
				settings,
				minDevices: shares,
				stepMs,
				leaseMs,
				shareIdleMs,
			}),
			signsOfLife: ["owned", "step"],
			onMessage: (message) => {
				const { type, partition = 0, reason = "" } = message;
				if (type === "owned" || type === "lost") this.#tell(`partition ${partition} ${type} ${reason}`);
				// One that gave its partition away came to an end, too.
				if (type === "result" && message.reason === "finished") this.#results.set(partition, message);
				onMessage(message);
				this.#wake();
			},
			onEnd: (code) => {
				this.#failure ??= new Error(`${role} ended with ${code}`);
				this.#wake();
			},
		});
		this.#participants.push(participant);
		return participant;
	}

	/** A line with the seconds since the first answer. */
	#tell(what: string): void {
		if (this.#first === 0) return;
		this.#options.onProgress(`${((performance.now() - this.#first) / 1000).toFixed(1)} s: ${what}`);
	}

	#partitionOf(index: number): number {
		const { devices, aggregators } = this.#options;
		return partitionOf(`device-${String(index + 1).padStart(String(devices).length, "0")}`, aggregators);
	}

	async #follow(fleet: AsyncIterable<FleetEvent>): Promise<void> {
		for await (const event of fleet) {
			if (event.type === "failed") this.#failure ??= new Error(`${event.device} failed`, { cause: event.error });
			if (event.type === "device" && answers.has(event.event.type)) this.#heard(event.device);
			if (event.type === "device" && event.event.type === "step") {
				const batch = `${event.device} ${event.event.epoch} ${event.event.seq}`;
				this.#answered.set(batch, (this.#answered.get(batch) ?? 0) + 1);
				this.#last = performance.now();
			}
			this.#wake();
		}
	}

	#heard(device: string): void {
		const now = performance.now();
		const partition = partitionOf(device, this.#options.aggregators);
		this.#worst = Math.max(this.#worst, now - (this.#lastAnswer.get(partition) ?? now));
		this.#lastAnswer.set(partition, now);
		this.#first ||= now;
	}

	/** One kill after the other, each when the store has caught up with the one before and every partition has gone on. */
	async #killInTurn(owners: readonly Participant<Message>[]): Promise<number> {
		const { nodes, aggregators, rounds, devices, batches } = this.#options;
		const all = rounds * devices * batches;
		const kills: [string, () => Promise<void>][] = [];
		for (let i = 0; i < Math.max(nodes, aggregators); i++) {
			if (i < nodes) kills.push([`NATS server ${i}`, () => this.#restart([i])]);
			const owner = owners[i];
			if (owner !== undefined) kills.push([`aggregator ${i}`, () => owner.kill()]);
		}
		kills.push(["all NATS servers", () => this.#restart(this.#servers.urls.map((_, i) => i))]);
		await using health = await StoreHealth.open(this.#servers.urls);
		for (const [i, [what, kill]] of kills.entries()) {
			const due = Math.floor((0.8 * all * (i + 1)) / (kills.length + 1));
			await this.#until(() => this.#answered.size >= due || this.#hasTrained);
			await health.whole();
			const since = performance.now();
			// None may stand still: two failures are not one.
			const goesOn = (partition: number) => {
				const last = this.#lastAnswer.get(partition) ?? 0;
				return (last > since && performance.now() - last < goingMs) || this.#results.has(partition);
			};
			await this.#until(() => [...this.#lastAnswer.keys()].every(goesOn));
			if (this.#hasTrained) return i;
			const longest = (this.#worst / 1000).toFixed(1);
			this.#tell(`${this.#answered.size} of ${all} batches; longest stall ${longest} s; kill ${what}`);
			await kill();
		}
		return kills.length;
	}

	get #hasTrained(): boolean {
		return this.#results.size === this.#options.aggregators;
	}

	async #restart(servers: readonly number[]): Promise<void> {
		await Promise.all(servers.map((i) => this.#servers.kill(i)));
		await Promise.all(servers.map((i) => this.#servers.run(i)));
	}

	async #report(kills: number): Promise<ScaleOutResult> {
		const { aggregators: partitions, leaseMs } = this.#options;
		const { joint: artifact } = await smallModel();
		const identity = { servers: this.#servers.urls, artifact: await artifactDigest(artifact), partitions, leaseMs };
		await using store = await RunStore.open(identity);
		const steps = new Map<string, number>();
		let bitIdentical = true;
		for (let partition = 0; partition < partitions; partition++) {
			await using log = await store.openLog(partition);
			const records = new RecordReader();
			for await (const { position, bytes } of log.read(log.start)) {
				const record = records.take(bytes);
				if (record?.type === "step") {
					for (const { device, epoch, seq } of record.batches) {
						const batch = `${device} ${epoch} ${seq}`;
						steps.set(batch, (steps.get(batch) ?? 0) + 1);
					}
				}
				if (position === log.end - 1) break;
			}
			await using aggregator = await Aggregator.start({
				artifact,
				runtime: nodeRuntime,
				broker: { log, maxMessageBytes: 500_000, send: async () => false },
				settings: { rounds: this.#options.rounds, batchSize: 2 },
				exchange: await StoreExchange.open({ store, partition }),
				replayOnly: true,
			});
			const digest = await sha256((await aggregator.result).artifact);
			bitIdentical &&= digest === this.#results.get(partition)?.digest;
		}
		const told = [...this.#results.values()].map(({ counts }) => counts ?? { lost: 0, doubled: 0 });
		const more = (times: ReadonlyMap<string, number>) => [...times.values()].filter((count) => count > 1).length;
		const missing = [...this.#answered.keys()].filter((batch) => !steps.has(batch)).length;
		return {
			acknowledged: this.#answered.size,
			lost: missing + told.reduce((sum, { lost }) => sum + lost, 0),
			doubled: more(steps) + more(this.#answered) + told.reduce((sum, { doubled }) => sum + doubled, 0),
			bitIdentical,
			worstStallSeconds: this.#worst / 1000,
			stepsPerSecond: (1000 * this.#answered.size) / (this.#last - this.#first),
			kills,
		};
	}

	/** Resolves when a message of some process has made `condition` true. */
	async #until(condition: () => boolean): Promise<void> {
		for (;;) {
			if (this.#failure !== undefined) throw this.#failure;
			if (condition()) return;
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
	}
}

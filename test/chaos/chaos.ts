import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AggregatorResult, AggregatorSettings } from "@psgl/cloud";
import { FaultyLink, type LinkCounts, type LinkFaults } from "@psgl/firmware-sim";
import { seededRandom, systemClock } from "@psgl/sdk";
import { type Labels, smallModel } from "../helpers/small-model.js";
import type { CloudProcessOptions } from "./cloud-process.js";
import { chaosDeviceName } from "./data.js";
import type { DeviceProcessOptions } from "./device-process.js";
import { Participant, type Told } from "./participant.js";
import { replayJournal } from "./replay-journal.js";

export interface ChaosOptions {
	readonly kills: number;
	readonly devices: number;
	/** Decides who is killed when, and what the links do. */
	readonly seed: number;
	/** Whether the devices send their labels. */
	readonly labels: Labels;
	/** Batches a device may have in flight. */
	readonly window: number;
	/** Called with a line now and then. */
	readonly onProgress?: ((line: string) => void) | undefined;
}

export interface ChaosResult {
	readonly kills: number;
	/** Different training batches whose answer a device got. */
	readonly acknowledged: number;
	/** Of these, the ones no optimiser step was made with, by the journal; and those the aggregator itself misses. */
	readonly lost: number;
	/** Batches two optimiser steps were made with, or whose answer a device took twice. */
	readonly doubled: number;
	/** Who saw these: the aggregator's audit, the journal, the devices. */
	readonly doubledBy: { readonly audit: number; readonly journal: number; readonly devices: number };
	/** An undisturbed replay of the journal gives the trained weights to the last bit. */
	readonly bitIdentical: boolean;
	/** 99th percentile of the seconds from a kill until the process works again. */
	readonly recoverySecondsP99: number;
	readonly rounds: number;
	readonly faults: LinkCounts;
}

interface CloudMessage extends Told {
	readonly url?: string;
}

interface CloudResult extends Told, Pick<AggregatorResult, "rounds" | "counts"> {
	/** SHA-256 (hex) of what was learned. */
	readonly weights: string;
}

interface DeviceMessage extends Told {
	readonly epoch?: number;
	readonly seq?: number;
}

/** A bad network: a fault in every fifth packet. */
const faults: LinkFaults = {
	delay: 0.05,
	maxDelayMs: 200,
	duplicate: 0.1,
	reorder: 0.05,
	drop: 0.01,
	halfOpen: 0.005,
};

const dayMs = 24 * 3600 * 1000;

/** Share of kills that hit broker and aggregator, which every device feels. */
const cloudShare = 0.2;

/** Longest wait between two kills, milliseconds. */
const longestPauseMs = 1000;

/** Processes that may be down at a time: with all of them down nothing could go wrong any more. */
const downAtOnce = 3;

const settings: AggregatorSettings = {
	rounds: 1_000_000,
	batchSize: 4,
	schedule: { kind: "constant", warmUpRounds: 0 },
	// Long enough for a device that is killed several times on a busy machine.
	stepTimeoutMs: 60_000,
	roundTimeoutMs: 60_000,
};

/** Trains with processes that are killed at random moments, over links that fail, and counts what became of each batch. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
	const folder = await mkdtemp(join(tmpdir(), "psgl-chaos-"));
	try {
		return await new Chaos(options, folder).run();
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

class Chaos {
	readonly #options: ChaosOptions;
	readonly #folder: string;
	readonly #random;
	/** Answered batches, by device, round and number; how often a device took the answer. */
	readonly #answered = new Map<string, number>();
	/** Rounds the cloud has told the end of. */
	#rounds = 0;
	#cloud: Participant<CloudMessage> | undefined;
	readonly #devices: Participant<DeviceMessage>[] = [];
	#result: CloudResult | undefined;
	#failure: Error | undefined;
	#wake = () => {};

	constructor(options: ChaosOptions, folder: string) {
		this.#options = options;
		this.#folder = folder;
		this.#random = seededRandom(options.seed);
	}

	async run(): Promise<ChaosResult> {
		const { kills, devices } = this.#options;
		try {
			const { cloud, port } = await this.#startCloud();
			const random = this.#random.fork("links");
			await using link = await FaultyLink.start({ port, faults, random, clock: systemClock });
			for (let i = 0; i < devices; i++) this.#startDevice(i, link.url);
			await this.#until(() => this.#answered.size > 0);
			for (let kill = 1; kill <= kills; kill++) await this.#killOne(kill);
			link.faulty = false;
			// A whole round, so that what the weights are made of holds everything before.
			const before = this.#rounds;
			await this.#until(() => this.#all.every((each) => !each.recovering) && this.#rounds > before);
			cloud.send({ type: "stop" });
			await this.#until(() => this.#result !== undefined && this.#all.every((each) => !each.running));
			return await this.#report(link.counts);
		} finally {
			await Promise.all(this.#all.map((participant) => participant.end()));
		}
	}

	get #all(): readonly Participant<never>[] {
		return this.#cloud === undefined ? this.#devices : [this.#cloud, ...this.#devices];
	}

	async #startCloud() {
		const artifact = join(this.#folder, "model.psgl");
		await writeFile(artifact, (await smallModel("robust", { labels: this.#options.labels })).jointBytes);
		let port = 0;
		const cloud = new Participant<CloudMessage>({
			file: "cloud-process.js",
			options: (): CloudProcessOptions => ({
				port,
				folder: join(this.#folder, "cloud"),
				settings: { ...settings, minDevices: this.#options.devices, window: this.#options.window },
				artifact,
			}),
			signsOfLife: ["step", "round", "result"],
			onMessage: (message) => {
				if (message.url !== undefined) port = Number(new URL(message.url).port);
				if (message.type === "round") this.#rounds++;
				if (message.type === "result") this.#result = message as CloudResult;
				this.#wake();
			},
			onEnd: (code) => {
				if (code !== 0) this.#fail(`the cloud's process ended with ${code}`);
				this.#wake();
			},
		});
		this.#cloud = cloud;
		await this.#until(() => port !== 0);
		return { cloud, port };
	}

	#startDevice(index: number, url: string): void {
		const id = chaosDeviceName(index);
		let starts = 0;
		const options = (): DeviceProcessOptions => ({
			url,
			id,
			folder: join(this.#folder, id),
			seed: this.#options.seed + index,
			// Every start finds another time: a day ahead, right, or a day behind.
			skewMs: ((starts++ % 3) - 1) * dayMs,
		});
		const device = new Participant<DeviceMessage>({
			file: "device-process.js",
			options,
			// It is back when the aggregator has answered it, or it still knew that it had.
			signsOfLife: ["welcome", "step", "validated", "trained", "end"],
			onMessage: ({ type, epoch, seq }) => {
				if (type === "step") {
					const key = `${id} ${epoch} ${seq}`;
					this.#answered.set(key, (this.#answered.get(key) ?? 0) + 1);
				}
				this.#wake();
			},
			onEnd: (code) => {
				if (code !== 0) this.#fail(`${id} ended with ${code}`);
				this.#wake();
			},
		});
		this.#devices.push(device);
	}

	/** Kills a process that works, at a moment that has nothing to do with what it does. */
	async #killOne(kill: number): Promise<void> {
		await this.#until(() => this.#all.filter((each) => each.recovering).length < downAtOnce);
		await systemClock.sleep(this.#random.uniform() * longestPauseMs);
		const cloud = this.#random.uniform() < cloudShare ? this.#cloud : undefined;
		const candidates = this.#devices.filter((device) => !device.recovering);
		const device = candidates[this.#random.integer(candidates.length)];
		await (cloud === undefined || cloud.recovering ? device : cloud)?.kill();
		if (kill % 10 === 0) this.#options.onProgress?.(`${kill} kills, ${this.#answered.size} batches answered`);
	}

	async #report(faultCounts: LinkCounts): Promise<ChaosResult> {
		const { rounds, counts, weights } = this.#result as CloudResult;
		const { window, labels } = this.#options;
		const replay = await replayJournal(join(this.#folder, "cloud", "journal"), { ...settings, window }, labels);
		const recovery = this.#all.flatMap((each) => each.recoverySeconds).sort((a, b) => a - b);
		const missing = [...this.#answered.keys()].filter((batch) => !replay.steps.has(batch)).length;
		const more = (times: ReadonlyMap<string, number>) => {
			const twice = [...times].filter(([, count]) => count > 1);
			for (const [batch, count] of twice) this.#options.onProgress?.(`${batch}: ${count} times`);
			return twice.length;
		};
		const doubledBy = { audit: counts.doubled, journal: more(replay.steps), devices: more(this.#answered) };
		return {
			kills: this.#options.kills,
			acknowledged: this.#answered.size,
			lost: counts.lost + missing,
			doubled: doubledBy.audit + doubledBy.journal + doubledBy.devices,
			doubledBy,
			bitIdentical: replay.weights === weights,
			recoverySecondsP99: recovery[Math.ceil(0.99 * recovery.length) - 1] ?? 0,
			rounds,
			faults: faultCounts,
		};
	}

	#fail(what: string): void {
		this.#failure ??= new Error(what);
		this.#wake();
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

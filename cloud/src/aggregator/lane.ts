import { setImmediate } from "node:timers/promises";
import { PsglError, type Tensor } from "@psgl/sdk";
import { awaitTurn, guarded } from "./await-turn.js";
import type { ReadyBatch } from "./batch-intake.js";
import type { AggregatorContext } from "./context.js";
import type { BatchIdentity } from "./ledger.js";
import type { Member } from "./member.js";
import type { LegHistory } from "./run-history.js";
import type { Entries, LoggedBatch, RecordOf } from "./run-record.js";
import type { ServerState, TrainResult } from "./server-segment.js";
import { awaitGradients, inputsAgain, type OpenStep, offerFeatures, openAgain } from "./tail-step.js";
import { wireTerms } from "./wire-terms.js";

/** Sums over the server steps of a round. */
export interface LaneTotals {
	/** Server steps. */
	steps: number;
	/** Sum over the steps of each stream's loss. */
	readonly losses: number[];
}

export interface LaneOptions {
	readonly context: AggregatorContext;
	readonly round: number;
	/** Version of the weights the round started from. */
	readonly model: number;
	readonly learningRate: number;
	/** Whose batches make one step together; the groups take turns in this order. */
	readonly groups: readonly (readonly Member[])[];
	readonly server: ServerState;
	/** Shared by the lanes of a round. */
	readonly totals: LaneTotals;
	/** Complete smashed data of a batch that was applied. */
	readonly onApplied: (batch: ReadyBatch) => void;
}

/**
 * One server segment learning from groups of devices in lockstep: the groups take turns, and a turn waits for the next
 * batch of every device in it, so the order of the steps depends on the devices' batches alone, not on who is faster.
 * While one group's step is computed, the devices of the others work.
 */
export class Lane {
	readonly #options: LaneOptions;
	#server: ServerState;
	/** The state before, unless it is the one the lane started from, which others hold. */
	#spare: ServerState | undefined;
	/** A step between its halves that the log tells of. */
	#open: OpenStep | undefined;

	constructor(options: LaneOptions) {
		this.#options = options;
		this.#server = options.server;
	}

	/** Makes the steps that the log tells of again. */
	async replay(leg: LegHistory): Promise<void> {
		const { context, groups, learningRate } = this.#options;
		const members = new Map(groups.flat().map((member) => [member.device.id, member]));
		const answers = new Map<string, () => Promise<void>>();
		let open: OpenStep | undefined;
		for (const outcome of leg.outcomes) {
			if (outcome.type === "refused") {
				if (members.has(outcome.device)) this.#refusedBefore(outcome, members);
				continue;
			}
			const logged = outcome.batches.filter(({ device }) => members.has(device));
			if (logged.length === 0) continue;
			if (outcome.type === "features") {
				const batches = await this.#batchesAgain("forward", logged);
				open = { members: logged.map(({ device }) => members.get(device) as Member), batches };
				// A device may wait for the features of its last batch; of a leg that is over none does.
				if (!leg.ended) await openAgain(context, open, { state: this.#server, model: this.#options.model });
				continue;
			}
			const batches = open?.batches ?? (await this.#batchesAgain("batch", logged));
			const inputs = open === undefined ? batches : await inputsAgain(context, open, outcome);
			const result = await context.server.train(this.#server, inputs, learningRate, this.#spare);
			const taken = logged.map(({ device }) => batches.findIndex(({ identity }) => identity.device === device));
			this.#apply(open?.members ?? logged.map(({ device }) => members.get(device) as Member), batches, taken, result);
			for (const i of taken) {
				const batch = batches[i] as ReadyBatch;
				answers.set(batch.identity.device, () => this.#reply(batch, result, i));
			}
			open = undefined;
		}
		// A device may wait for the answer to its last batch.
		if (!leg.ended) for (const answer of answers.values()) await answer();
		this.#open = open;
	}

	async #batchesAgain(type: "batch" | "forward", logged: readonly LoggedBatch[]): Promise<ReadyBatch[]> {
		const { intake, history } = this.#options.context;
		// Asked for together: from a log on another machine each is a round trip.
		const messages = await Promise.all(logged.map(({ device, entries }) => history.message(type, device, entries)));
		const batches: ReadyBatch[] = [];
		for (const [i, { entries }] of logged.entries()) {
			batches.push(await intake.takeAgain(messages[i] as (typeof messages)[number], entries));
		}
		return batches;
	}

	#refusedBefore(identity: BatchIdentity, members: ReadonlyMap<string, Member>): void {
		this.#options.context.intake.refusedBefore(identity);
		const member = members.get(identity.device);
		if (member !== undefined) member.open = undefined;
	}

	get server(): ServerState {
		return this.#server;
	}

	/** Runs until every device is done or given up, or training is to stop. Returns what the server segment has learned. */
	async run(): Promise<ServerState> {
		const { groups, context } = this.#options;
		const members = groups.flat();
		let giveUpAt: number | undefined;
		if (this.#open !== undefined) await this.#close(this.#open);
		while (!context.stopping.aborted) {
			const open = members.filter((m) => !m.isDone);
			if (open.length === 0) break;
			if (open.every((m) => m.leftBehind && m.batch === undefined)) {
				// Only devices that were left behind are missing; those that are gone from the link are not waited for.
				if (!open.some((m) => m.device.online)) break;
				giveUpAt ??= context.clock.now() + context.settings.roundTimeoutMs;
				if (!(await context.changed.wait(giveUpAt))) break;
				continue;
			}
			giveUpAt = undefined;
			for (const group of groups) {
				if (context.stopping.aborted) break;
				await this.#turn(group);
			}
		}
		return this.#server;
	}

	async #turn(group: readonly Member[]): Promise<void> {
		const { context, round } = this.#options;
		const ready = await awaitTurn(context, group, { round, isShared: this.#options.groups.flat().length > 1 });
		if (ready.length > 0) await this.#step(ready);
	}

	async #step(members: readonly Member[]): Promise<void> {
		const { context, learningRate } = this.#options;
		const batches = members.map((member) => member.take());
		if (context.manifest.tail !== null) return this.#openStep({ members, batches });
		let result: TrainResult;
		try {
			result = await context.server.train(this.#server, batches, learningRate, this.#spare);
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			for (const { identity } of batches) context.intake.refuse(identity, error);
			return;
		}
		const logged = batches.map(({ identity, entries }) => ({ ...identity, entries }));
		this.#stepped(members, batches, { logged, taken: [...batches.keys()], result });
	}

	/** Both halves of a step whose labels stay on the devices. */
	async #openStep(step: OpenStep): Promise<void> {
		const { context, model } = this.#options;
		try {
			await offerFeatures(context, step, { state: this.#server, model });
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			for (const { identity } of step.batches) context.intake.refuse(identity, error);
			return;
		}
		await this.#close(step);
	}

	/** The second half. */
	async #close({ members, batches }: OpenStep): Promise<void> {
		const { context, round, learningRate } = this.#options;
		const closed = await awaitGradients(context, { members, batches }, round);
		if (closed === undefined || closed.taken.length === 0) return;
		const { inputs, taken, gradients } = closed;
		let result: TrainResult;
		try {
			result = await context.server.train(this.#server, inputs, learningRate, this.#spare);
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			for (const i of taken) context.intake.refuse((batches[i] as ReadyBatch).identity, error);
			return;
		}
		const logged = taken.map((i, n) => {
			const { identity, entries } = batches[i] as ReadyBatch;
			return { ...identity, entries, gradient: gradients[n] as Entries };
		});
		this.#stepped(members, batches, { logged, taken, result });
	}

	/** Writes a step down, takes it over, and answers the devices whose batches it was made with. */
	#stepped(
		members: readonly Member[],
		batches: readonly ReadyBatch[],
		{
			logged,
			taken,
			result,
		}: {
			readonly logged: RecordOf<"step">["batches"];
			/** Places of these batches. */
			readonly taken: readonly number[];
			readonly result: TrainResult;
		},
	): void {
		const { context, round, totals } = this.#options;
		const { epoch } = (batches[0] as ReadyBatch).identity;
		const recorded = context.history.append({ type: "step", epoch, batches: logged });
		this.#apply(members, batches, taken, result);
		// Encoding, and writing the step down, overlap with the next step, which is handed over first; no answer leaves before its step is safe.
		const safe = recorded.then(() => setImmediate());
		const answers = taken.map((i) => safe.then(() => this.#reply(batches[i] as ReadyBatch, result, i)));
		const { spare } = context.server;
		Promise.all(answers)
			.then(() => spare.give(result.cutGradient))
			.catch(context.fail);
		for (const i of taken) spare.give((batches[i] as ReadyBatch).smashed);
		const devices = taken.map((i) => (members[i] as Member).device.id);
		context.emit({ type: "step", round, step: totals.steps, devices, losses: result.losses });
	}

	#apply(
		members: readonly Member[],
		batches: readonly ReadyBatch[],
		taken: readonly number[],
		result: TrainResult,
	): void {
		const { context, totals, onApplied } = this.#options;
		this.#spare = this.#server === this.#options.server ? undefined : this.#server;
		this.#server = result.next;
		if (context.settings.outlierGuard) context.guard.observe(guarded(batches));
		totals.steps++;
		result.losses.forEach((loss, i) => {
			totals.losses[i] = (totals.losses[i] ?? 0) + loss;
		});
		for (const i of taken) {
			const member = members[i] as Member;
			const batch = batches[i] as ReadyBatch;
			context.intake.applied(batch.identity);
			member.samples += batch.smashed.dims[0] as number;
			member.steps++;
			onApplied(batch);
		}
	}

	async #reply({ identity }: ReadyBatch, { parts }: TrainResult, index: number): Promise<void> {
		const { server, settings, intake, roster } = this.#options.context;
		const device = roster.get(identity.device);
		// Who left meanwhile takes no notice of it.
		const { gradientDtype } = (device && wireTerms(device.hello, settings)) ?? settings;
		const { cutGradient, losses } = parts[index] as TrainResult["parts"][number];
		const wire = await server.encode(cutGradient, gradientDtype);
		intake.reply({
			type: "gradient",
			...identity,
			model: this.#options.model,
			losses,
			tensors: { cutGradient: wire },
		});
		// It has left in envelopes, which are copies.
		if (wire.dtype === "float16") server.spare.give(wire as Tensor);
	}
}

import { PsglError } from "@psgl/sdk";
import type { ReadyBatch } from "./batch-intake.js";
import type { AggregatorContext } from "./context.js";
import { isDone, type Member } from "./member.js";
import { batchOutlier } from "./refusals.js";
import type { LegHistory } from "./run-history.js";
import type { ServerState, TrainResult } from "./server-segment.js";
import type { GuardedBatch } from "./smashed-guard.js";

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

	constructor(options: LaneOptions) {
		this.#options = options;
		this.#server = options.server;
	}

	/** Makes the steps that the log tells of again. */
	async replay(leg: LegHistory): Promise<void> {
		const { context, groups } = this.#options;
		const members = new Map(groups.flat().map((member) => [member.device.id, member]));
		const answers = new Map<string, () => Promise<void>>();
		for (const outcome of leg.outcomes) {
			if (outcome.type === "refused") {
				if (members.has(outcome.device)) context.intake.refusedBefore(outcome);
				continue;
			}
			const taken = outcome.batches.filter(({ device }) => members.has(device));
			if (taken.length === 0) continue;
			const batches: ReadyBatch[] = [];
			for (const { device, entries } of taken) {
				batches.push(await context.intake.takeAgain(await context.history.message("batch", device, entries), entries));
			}
			const result = await context.server.train(this.#server, batches, this.#options.learningRate, this.#spare);
			this.#apply(
				taken.map(({ device }) => members.get(device) as Member),
				batches,
				result,
			);
			taken.forEach(({ device }, i) => {
				answers.set(device, () => this.#reply(batches[i] as ReadyBatch, result, i));
			});
		}
		// A device may wait for the answer to its last batch.
		if (!leg.ended) for (const answer of answers.values()) await answer();
	}

	get server(): ServerState {
		return this.#server;
	}

	/** Runs until every device is done or given up, or training is to stop. Returns what the server segment has learned. */
	async run(): Promise<ServerState> {
		const { groups, context } = this.#options;
		const members = groups.flat();
		let giveUpAt: number | undefined;
		while (!context.stopping.aborted) {
			const open = members.filter((m) => !isDone(m));
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

	get #isShared(): boolean {
		return this.#options.groups.flat().length > 1;
	}

	async #turn(group: readonly Member[]): Promise<void> {
		const { context, round } = this.#options;
		let deadline = context.clock.now() + context.settings.stepTimeoutMs;
		for (;;) {
			const missing = group.filter((m) => !isDone(m) && !m.leftBehind && m.batch === undefined);
			if (missing.length === 0) break;
			const queued = missing.map((m) => m.device.id).filter((id) => context.intake.isQueued(id));
			if (queued.length > 0) {
				// Others hold the places until their own turn; a device that learns alone waits for nobody's turn.
				if (this.#isShared) context.intake.press(queued);
				else await context.changed.wait();
				if (context.stopping.aborted) return;
				// Its time starts when it may send.
				deadline = context.clock.now() + context.settings.stepTimeoutMs;
				continue;
			}
			const inTime = await context.changed.wait(deadline);
			if (context.stopping.aborted) return;
			if (inTime) continue;
			for (const member of missing) {
				if (member.batch !== undefined || isDone(member)) continue;
				member.leftBehind = true;
				context.intake.leave(member.device.id);
				context.emit({ type: "left-behind", round, device: member.device.id });
			}
			break;
		}
		const ready = group.filter((m) => m.batch !== undefined);
		for (const member of ready) {
			if (!member.leftBehind) continue;
			member.leftBehind = false;
			context.emit({ type: "taken-back", round, device: member.device.id });
		}
		const sound = context.settings.outlierGuard ? this.#withoutOutliers(ready) : ready;
		if (sound.length > 0) await this.#step(sound);
	}

	/** Refuses batches that are unlike those of the other devices. What the guard decided is in the log; a replay does not ask it. */
	#withoutOutliers(ready: readonly Member[]): readonly Member[] {
		const { context, round } = this.#options;
		const batches = ready.map((member) => member.batch as ReadyBatch);
		const outliers = context.guard.judge(batches.map(guarded));
		for (const { index, reason } of outliers) {
			const { identity } = batches[index] as ReadyBatch;
			(ready[index] as Member).batch = undefined;
			context.emit({ type: "outlier", of: "batch", round, device: identity.device, reason });
			context.intake.refuse(identity, batchOutlier(reason));
		}
		return ready.filter(({ batch }) => batch !== undefined);
	}

	async #step(members: readonly Member[]): Promise<void> {
		const { context, round, learningRate, totals } = this.#options;
		const batches = members.map((member) => {
			const batch = member.batch as ReadyBatch;
			member.batch = undefined;
			return batch;
		});
		let result: TrainResult;
		try {
			result = await context.server.train(this.#server, batches, learningRate, this.#spare);
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			for (const { identity } of batches) context.intake.refuse(identity, error);
			return;
		}
		const recorded = context.history.append({
			type: "step",
			epoch: (batches[0] as ReadyBatch).identity.epoch,
			batches: batches.map(({ identity, entries }) => ({ ...identity, entries })),
		});
		this.#apply(members, batches, result);
		// Encoding, and writing the step down, overlap with the next step; no answer leaves before its step is safe.
		for (const [i, batch] of batches.entries()) {
			recorded.then(() => this.#reply(batch, result, i)).catch(context.fail);
		}
		const devices = members.map((m) => m.device.id);
		context.emit({ type: "step", round, step: totals.steps, devices, losses: result.losses });
	}

	#apply(members: readonly Member[], batches: readonly ReadyBatch[], result: TrainResult): void {
		const { context, totals, onApplied } = this.#options;
		this.#spare = this.#server === this.#options.server ? undefined : this.#server;
		this.#server = result.next;
		if (context.settings.outlierGuard) context.guard.observe(batches.map(guarded));
		totals.steps++;
		result.losses.forEach((loss, i) => {
			totals.losses[i] = (totals.losses[i] ?? 0) + loss;
		});
		for (const [i, member] of members.entries()) {
			const batch = batches[i] as ReadyBatch;
			context.intake.applied(batch.identity);
			member.samples += batch.labels.dims[0] as number;
			member.steps++;
			onApplied(batch);
		}
	}

	async #reply({ identity }: ReadyBatch, { parts }: TrainResult, index: number): Promise<void> {
		const { server, settings, intake } = this.#options.context;
		const { cutGradient, losses } = parts[index] as TrainResult["parts"][number];
		intake.reply({
			type: "gradient",
			...identity,
			model: this.#options.model,
			losses,
			tensors: { cutGradient: await server.encode(cutGradient, settings.gradientDtype) },
		});
	}
}

function guarded({ identity, smashed }: ReadyBatch): GuardedBatch {
	return { device: identity.device, smashed };
}

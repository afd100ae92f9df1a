import {
	type BackwardMessage,
	type BatchMessage,
	type ClientWeights,
	type ForwardMessage,
	refuse,
	type WeightsMessage,
} from "@psgl/sdk/protocol";
import { averageServers, combineMembers } from "./combine-members.js";
import { Lane } from "./lane.js";
import { type Share, samplesOf } from "./legs.js";
import { groupsOf, Member } from "./member.js";
import { roundOver } from "./refusals.js";
import type { RosterDevice } from "./roster.js";
import { sendRound } from "./round-message.js";
import type { LegHistory } from "./run-history.js";
import type { Entries } from "./run-record.js";
import type { ServerState } from "./server-segment.js";
import { takeGradient } from "./tail-step.js";
import type { TrainedRound, TrainingRoundOptions } from "./training-round-options.js";
import { misfit } from "./weights-misfit.js";

/** One leg of a round of training: batches and gradients in lockstep, then the devices' weights, then their average. */
export class TrainingRound {
	readonly task = "train";
	readonly epoch: number;
	readonly #options: TrainingRoundOptions;
	readonly #members: ReadonlyMap<string, Member>;
	readonly #shares: ReadonlyMap<string, Share>;
	/** Weights the next device is sent. */
	#client: ClientWeights;
	#model: number;
	/** What the log tells of this leg. */
	#leg: LegHistory | undefined;
	/** Batches that are being read. */
	readonly #taking = new Set<Promise<unknown>>();
	/** Devices that were told to start. */
	readonly #started = new Set<string>();

	constructor(options: TrainingRoundOptions) {
		this.epoch = options.epoch;
		this.#options = options;
		this.#client = options.client;
		this.#model = options.model;
		this.#members = new Map(
			options.shares.map(({ device }) => [device.id, new Member(device, () => options.context.intake.turn(device.id))]),
		);
		this.#shares = new Map(options.shares.map((share) => [share.device.id, share]));
	}

	async run(): Promise<TrainedRound> {
		const { context, epoch } = this.#options;
		const members = [...this.#members.values()];
		const { history } = context;
		this.#leg = history.leg(epoch);
		try {
			await this.#restoreWeights();
			const server = await this.#train(members);
			// A stopped round is dropped; its legs are not over.
			if (!context.stopping.aborted && !this.#leg?.ended) await history.append({ type: "leg-end", epoch });
			return { client: this.#combine(members), server, model: this.#model, members };
		} finally {
			await this.#refuseWaiting(members);
			for (const { device } of members) context.intake.close(device.id);
			context.intake.closeEpoch(epoch);
		}
	}

	async onBatch(message: BatchMessage | ForwardMessage, entries: Entries): Promise<void> {
		const { context } = this.#options;
		const member = this.#members.get(message.device);
		const taking = context.intake.take(message, entries);
		this.#taking.add(taking);
		const batch = await taking.finally(() => this.#taking.delete(taking));
		if (batch === undefined) return;
		if (member === undefined || member.isDone) context.intake.refuse(batch.identity, roundOver(this.epoch));
		else member.add(batch);
		context.changed.notify();
	}

	/** The second half of a step whose labels stay on the devices. */
	onBackward(message: BackwardMessage, entries: Entries): void {
		const { context } = this.#options;
		const { device, epoch, seq } = message;
		const member = this.#members.get(device);
		if (member === undefined || epoch !== this.epoch || member.open?.identity.seq !== seq) {
			context.intake.askedFor({ device, epoch, seq });
			return;
		}
		takeGradient(context, member, message, entries);
	}

	/** Whether the gradient of a device's open batch would be taken. */
	lacksGradient({ device, epoch, seq }: BackwardMessage): boolean {
		const { open, gradient } = this.#members.get(device) ?? {};
		return epoch === this.epoch && open?.identity.seq === seq && gradient === undefined;
	}

	/** Whether a device's weights would be taken. */
	lacksWeights({ device, epoch }: WeightsMessage): boolean {
		const member = this.#members.get(device);
		return member !== undefined && epoch === this.epoch && member.weights === undefined;
	}

	async onWeights(message: WeightsMessage, entries: Entries): Promise<void> {
		const { context } = this.#options;
		const member = this.#members.get(message.device);
		const { device, epoch } = message;
		const problem =
			member === undefined || member.gone || epoch !== this.epoch
				? roundOver(epoch)
				: misfit(message.tensors, this.#client);
		if (problem !== undefined) {
			context.emit({ type: "refused", device, code: problem.code, reason: problem.what });
			context.downlink.send(refuse(device, problem, { type: "weights", epoch }, false));
			return;
		}
		if (member !== undefined && member.weights === undefined) {
			context.intake.leave(device);
			this.#takeWeights(member, message);
			const recorded = context.history.append({ type: "weights", epoch, device, entries });
			context.changed.notify();
			await recorded;
		}
		context.downlink.send({ type: "received", device, of: "weights", epoch, seq: 0 });
	}

	/** A device left, or forgot what it was doing: the round goes on without it. */
	onGone(device: string): void {
		const member = this.#members.get(device);
		if (member !== undefined) {
			member.gone = true;
			this.#options.context.intake.leave(device);
		}
		this.#options.context.changed.notify();
	}

	/** A device asks for the round again. */
	resend(device: RosterDevice): void {
		const member = this.#members.get(device.id);
		if (member !== undefined && !member.isDone && this.#started.has(device.id)) this.#start(member, true);
	}

	async #train(members: readonly Member[]): Promise<ServerState> {
		const { context, server } = this.#options;
		switch (this.#strategy) {
			case "splitfed-v2": {
				for (const member of members) this.#start(member);
				const [state] = await this.#run([this.#lane(groupsOf(members, context.settings.groupSize), server)]);
				return state as ServerState;
			}
			case "splitfed-v1": {
				for (const member of members) this.#start(member);
				const states = await this.#run(members.map((member) => this.#lane([[member]], server)));
				return averageServers(states, members, server);
			}
			case "sequential": {
				let state = server;
				for (const [i, member] of members.entries()) {
					if (context.stopping.aborted) break;
					this.#start(member);
					[state] = (await this.#run([this.#lane([[member]], state)], this.#isOver(members, i))) as [ServerState];
					if (member.weights === undefined || member.samples === 0) continue;
					this.#client = member.weights.client;
					this.#model++;
				}
				return state;
			}
		}
	}

	/** Without batches there is nothing to take turns in. */
	get #strategy() {
		return this.#options.local === undefined ? this.#options.context.settings.strategy : "splitfed-v2";
	}

	#start(member: Member, withWeights = false): void {
		const { context, round, epoch, learningRate } = this.#options;
		if (!withWeights) context.intake.open(member.device.id, epoch);
		this.#started.add(member.device.id);
		// It was told by the process before this one, or asks.
		if (!withWeights && this.#leg !== undefined && !context.history.isLive) return;
		const weights = { model: this.#model, client: this.#client };
		const { first, steps } = this.#shares.get(member.device.id) as Share;
		// Without legs the round is a pass of its own, which a device takes for granted.
		const batches = steps > 0 ? { pass: round, first, steps } : undefined;
		const { local } = this.#options;
		const task = local === undefined ? "train" : "local";
		const start = {
			epoch,
			task,
			batches,
			learningRate,
			shieldWeight: local?.shieldWeight,
			weights,
			withWeights,
			credit: task === "train" ? context.intake.credit(member.device.id) : undefined,
		} as const;
		sendRound(context, member.device, start);
	}

	#lane(groups: readonly (readonly Member[])[], server: ServerState): Lane {
		const { context, round, learningRate, totals, reservoir } = this.#options;
		return new Lane({
			context,
			round,
			model: this.#model,
			learningRate,
			groups,
			server,
			totals,
			onApplied: ({ identity, smashed }) => reservoir?.add(identity.device, smashed),
		});
	}

	/** Does again what the log tells of the lanes, and then goes on unless they are over. */
	async #run(lanes: readonly Lane[], over = this.#leg?.ended ?? false): Promise<ServerState[]> {
		const leg = this.#leg;
		if (leg !== undefined) for (const lane of lanes) await lane.replay(leg);
		if (over) return lanes.map((lane) => lane.server);
		this.#options.context.history.live(true);
		return Promise.all(lanes.map((lane) => lane.run()));
	}

	/** Whether the log tells that a device that trains by itself was followed by another. */
	#isOver(members: readonly Member[], index: number): boolean {
		if (this.#leg === undefined || this.#leg.ended) return this.#leg !== undefined;
		const later = new Set(members.slice(index + 1).map((member) => member.device.id));
		return this.#leg.outcomes.some((outcome) =>
			("batches" in outcome ? outcome.batches : [outcome]).some(({ device }) => later.has(device)),
		);
	}

	async #restoreWeights(): Promise<void> {
		for (const { device, entries } of this.#leg?.weights ?? []) {
			const { tensors, localLoss, samples } = await this.#options.context.history.message("weights", device, entries);
			const member = this.#members.get(device);
			if (member !== undefined) this.#takeWeights(member, { tensors, localLoss, samples });
		}
	}

	#takeWeights(
		member: Member,
		{ tensors, localLoss, samples }: Pick<WeightsMessage, "tensors" | "localLoss" | "samples">,
	) {
		member.weights = { client: tensors, localLoss };
		this.#options.context.telemetry.trained(member.device.id, samples, localLoss);
		if (this.#options.local === undefined) return;
		// No batch tells how many they were: no more than the share, whatever a device says.
		const { batchSize } = this.#options.context.settings;
		member.samples = Math.min(samples, samplesOf(this.#shares.get(member.device.id) as Share, batchSize));
		member.steps = Math.ceil(member.samples / batchSize);
	}

	#combine(members: readonly Member[]): ClientWeights {
		const { context, round } = this.#options;
		return this.#strategy === "sequential"
			? this.#client
			: combineMembers(context, members, { client: this.#client, round });
	}

	/** Every batch that came in gets an answer before the round is closed. */
	async #refuseWaiting(members: readonly Member[]): Promise<void> {
		for (const member of members) {
			member.gone = true;
			for (const { identity } of member.takeAll()) this.#options.context.intake.refuse(identity, roundOver(this.epoch));
			if (member.open !== undefined) this.#options.context.intake.refuse(member.open.identity, roundOver(this.epoch));
			member.open = undefined;
		}
		await Promise.allSettled(this.#taking);
	}
}

import { type Random, seededRandom } from "@psgl/sdk";
import { type ClientWeights, shortWeights } from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import { awaitReturn } from "./await-return.js";
import { bestRound } from "./best-round.js";
import { CodeRound } from "./code-round.js";
import { codesPass, validateOnCodes } from "./code-training.js";
import type { AggregatorContext } from "./context.js";
import type { EndReason, Traffic, Validation } from "./events.js";
import { learningRateShare } from "./learning-rate-schedule.js";
import { type Reservoir, reservoirFor } from "./reservoir.js";
import type { RosterDevice } from "./roster.js";
import { type PlannedRound, planRounds } from "./round-plan.js";
import { roundReport } from "./round-report.js";
import type { RoundHistory } from "./run-history.js";
import type { ServerWeights } from "./server-segment.js";
import type { TrainedWeights } from "./trained-weights.js";
import { type TrainingPassOptions, trainPass } from "./training-pass.js";
import type { TrainingRound } from "./training-round.js";
import { deployedWeights, stateDigest, type TrainingState } from "./training-state.js";
import { ValidationRound } from "./validation-round.js";

export interface TrainingOptions {
	readonly context: AggregatorContext;
	readonly state: TrainingState;
	/** Payload bytes so far. */
	readonly traffic: () => Traffic;
	/** Called between rounds, with weights that belong together. */
	readonly onState: (state: TrainingState) => Promise<void>;
}

type Phase = TrainingRound | ValidationRound | CodeRound;

/** The rounds: who takes part, training, validation, the best weights, and when it is over. */
export class Training {
	readonly #options: TrainingOptions;
	readonly #random: Random;
	readonly #plan: readonly PlannedRound[];
	#state: TrainingState;
	#phase: Phase | undefined;
	#lastValidation: Validation | undefined;

	constructor(options: TrainingOptions) {
		this.#options = options;
		this.#state = options.state;
		const { manifest, settings } = options.context;
		this.#plan = planRounds(manifest, settings.rounds);
		this.#random = seededRandom(options.context.settings.seed).fork("reservoir");
	}

	/** The round under way, where devices' messages go. */
	get phase(): Phase | undefined {
		return this.#phase;
	}

	/** Between rounds, or at the start of the one under way. */
	get state(): TrainingState {
		return this.#state;
	}

	/** Validation of the weights that are best so far. */
	get validation(): Validation | undefined {
		return this.#lastValidation;
	}

	async run(): Promise<TrainedWeights> {
		const { context } = this.#options;
		const { settings, stopping } = context;
		const ended = (): EndReason | undefined => {
			const { round, best } = this.#state;
			if (round >= this.#plan.length) return "finished";
			if (stopping.aborted) return "stopped";
			const { patience } = settings;
			return patience !== undefined && best !== undefined && round - best.round >= patience ? "early-stop" : undefined;
		};
		const { history } = context;
		let needed = settings.minDevices;
		let cutOff: readonly string[] = [];
		let reason = ended();
		for (; reason === undefined; reason = ended()) {
			const next = this.#state.round + 1;
			if (history.round(next) === undefined) history.live();
			const { kind, recode } = this.#plan[next - 1] as PlannedRound;
			// The codes are here: no device is needed.
			if (kind === "codes" && !recode) needed = 0;
			if (history.isLive) await awaitReturn(context, cutOff);
			const devices = history.isLive ? await this.#trainers(needed) : this.#restored(next);
			cutOff = history.isLive ? [] : devices.map(({ id }) => id);
			// Once training has begun it goes on with whoever is there.
			needed = 1;
			if (!stopping.aborted) await this.#round(next, devices);
		}
		history.live();
		await history.ready;
		if (!stopping.aborted) await context.exchange?.finish();
		return this.#finish(reason);
	}

	/** The devices a round began with in the process before this one. */
	#restored(round: number): readonly RosterDevice[] {
		const { roster, history } = this.#options.context;
		const devices = history.round(round)?.start.devices ?? [];
		return devices.map((hello) => roster.get(hello.device) ?? roster.restore(hello, hello.maxMessageBytes));
	}

	async #trainers(needed: number): Promise<readonly RosterDevice[]> {
		const { changed, emit, roster, stopping } = this.#options.context;
		let told = -1;
		while (roster.trainerCount < needed && !stopping.aborted) {
			const devices = roster.trainerCount;
			if (devices !== told) emit({ type: "waiting", devices, needed });
			told = devices;
			await changed.wait();
		}
		return roster.trainers;
	}

	async #round(round: number, devices: readonly RosterDevice[]): Promise<void> {
		const { clock, emit, stopping, history } = this.#options.context;
		const before = history.round(round);
		const settings = before?.start.settings ?? this.#options.context.settings;
		const context = { ...this.#options.context, settings };
		const started = clock.now();
		const plan = this.#plan[round - 1] as PlannedRound;
		const learningRate =
			before?.start.learningRate ?? settings.learningRate * learningRateShare(settings.schedule, plan.index, plan.of);
		if (before === undefined) {
			const hellos = devices.map(({ hello, maxMessageBytes }) => ({ ...hello, maxMessageBytes }));
			await history.append({ type: "round", round, session: history.session, learningRate, settings, devices: hellos });
		}
		const rounds = this.#plan.length;
		emit({ type: "round-started", round, rounds, devices: devices.length });
		const samples = [this.#reservoir(devices), this.#reservoir(devices)] as const;
		const pass = { context, round, state: this.#startOf(plan), devices, learningRate, plan };
		const trained =
			plan.kind === "codes"
				? await this.#codesPass(pass)
				: await trainPass({
						...pass,
						reservoir: samples[0],
						run: (leg) => this.#during(leg, () => leg.run()),
					});
		// What a stopped round has learned is dropped: its devices did not send their weights.
		if (stopping.aborted) return history.append({ type: "round-dropped", round });
		const trainedAt = clock.now();
		const { state: reached } = trained;
		const { model, client, server } = deployedWeights(reached);
		const weights = { model, client };
		const validation = before?.end
			? (before.end.validation ?? undefined)
			: plan.kind === "exchange"
				? await this.#validateLive(before, reached.epoch, weights, server, samples[1])
				: plan.kind === "codes"
					? await validateOnCodes(context, server, reached.codes)
					: undefined;
		if (plan.kind !== "exchange" && before?.end === undefined) history.live();
		if (stopping.aborted) return history.append({ type: "round-dropped", round });
		const best = bestRound(this.#state.best, { round, validation, client, server, samples }, settings);
		const isBest = best?.round === round;
		if (isBest) this.#lastValidation = validation;
		const digest = stateDigest(reached);
		if (before?.end) emit({ type: "replayed", round, digest, identical: digest === before.end.digest });
		else await history.append({ type: "round-end", round, validation: validation ?? null, digest });
		this.#state = { ...reached, best };
		await this.#options.onState(this.#state);
		const seconds = (trainedAt - started) / 1000;
		emit({
			type: "round",
			...roundReport({ context, round, rounds, learningRate, seconds, traffic: this.#options.traffic() }, trained),
			validation,
			best: isBest,
			seconds: (clock.now() - started) / 1000,
		});
	}

	/** Where a round goes on from. The first one of another kind goes on from what the ones before it are deployed as, frozen. */
	#startOf({ kind, index, recode }: PlannedRound): TrainingState {
		const state = this.#state;
		if (kind === "exchange" || (kind === "local" && index > 1 && this.#plan[state.round - 1]?.kind === "local"))
			return state;
		if (kind === "codes" && !recode) return state;
		const { client, server } = deployedWeights(state);
		return {
			...state,
			client: shortWeights(client),
			server: { ...state.server, ...server },
			average: undefined,
			codes: recode ? [] : state.codes,
		};
	}

	/** One round on codes: those that are missing are asked for, once. */
	async #codesPass({
		context,
		round,
		state,
		devices,
		learningRate,
		plan,
	}: Omit<TrainingPassOptions, "reservoir" | "run">) {
		const known = new Set(state.codes.map(({ device }) => device));
		const missing = devices.filter(({ id }) => !known.has(id));
		const epoch = state.epoch + 1;
		const { model, client } = state;
		const options = { context, round, epoch, weights: { model, client }, devices: missing, cache: state.codes };
		const collecting = new CodeRound(options);
		const codes = missing.length === 0 ? state.codes : await this.#during(collecting, () => collecting.run());
		return codesPass({ context, round, state, learningRate, plan }, codes);
	}

	/** Validates with the devices that are there; those that a restart has cut off get time to come back. */
	async #validateLive(
		before: RoundHistory | undefined,
		epoch: number,
		weights: { readonly model: number; readonly client: ClientWeights },
		server: ServerWeights,
		reservoir: Reservoir | undefined,
	): Promise<Validation | undefined> {
		const { context } = this.#options;
		context.history.live();
		await awaitReturn(context, before?.start.devices.map(({ device }) => device) ?? []);
		return this.#validate(epoch, weights, server, reservoir);
	}

	async #validate(
		epoch: number,
		weights: { readonly model: number; readonly client: ClientWeights },
		server: ServerWeights,
		reservoir: Reservoir | undefined,
	): Promise<Validation | undefined> {
		const { context } = this.#options;
		const devices = context.roster.online;
		const validation = new ValidationRound({ context, epoch, weights, server, devices, reservoir });
		return this.#during(validation, () => validation.run());
	}

	async #during<T>(phase: Phase, run: () => Promise<T>): Promise<T> {
		this.#phase = phase;
		try {
			return await run();
		} finally {
			this.#phase = undefined;
		}
	}

	async #finish(reason: EndReason): Promise<TrainedWeights> {
		const { best, round } = this.#state;
		const last = best === undefined || best.round === round;
		const deployed = deployedWeights(this.#state);
		const client = best?.client ?? deployed.client;
		const server = best?.server ?? deployed.server;
		const model = last ? this.#state.model : this.#state.model + 1;
		return { reason, model, client, server, samples: await this.#samples(reason, { model, client }, server) };
	}

	#reservoir(devices: readonly RosterDevice[]): Reservoir | undefined {
		return reservoirFor(this.#options.context.manifest, devices.length, this.#random);
	}

	async #samples(
		reason: EndReason,
		weights: { readonly model: number; readonly client: ClientWeights },
		server: ServerWeights,
	): Promise<readonly Float32Array[]> {
		const { best, round } = this.#state;
		const { stopping } = this.#options.context;
		const kept = best?.samples.toReversed().flatMap((reservoir) => reservoir.samples) ?? [];
		if (kept.length > 0 || reason === "stopped" || stopping.aborted || round === 0) {
			return kept.slice(0, cloudLimits.reservoirSamples);
		}
		// The best round was before a restart: have the devices make smashed data with its weights again.
		const reservoir = this.#reservoir(this.#options.context.roster.online);
		if (reservoir === undefined) return [];
		await this.#validate(this.#state.epoch + 1, weights, server, reservoir);
		return reservoir.samples;
	}
}

import type { PsglError } from "@psgl/sdk";
import {
	creditVersion,
	type DeviceMessage,
	type MessageIdentity,
	type Received,
	type StatusMessage,
} from "@psgl/sdk/protocol";
import type { Rollout } from "../rollout/rollout.js";
import type { RolloutCause, RolloutStatus } from "../rollout/rollout-status.js";
import { DecisionBatches } from "./decision-batches.js";
import { FrontDesk, type FrontDeskOptions } from "./front-desk.js";
import type { RosterDevice } from "./roster.js";
import type { Entries } from "./run-record.js";
import type { ServedRelease } from "./served-release.js";
import type { TrainedWeights } from "./trained-weights.js";
import type { UplinkHandler } from "./uplink.js";

/** The desk of a candidate, and what it is working on. */
interface CandidateDesk {
	readonly release: ServedRelease;
	readonly desk: FrontDesk;
	readonly running: Set<Promise<void>>;
}

/**
 * Takes a device's messages to the desk of the model it has: the stable one's, or in a staged roll-out the candidate's. When the roll-out
 * changes, tells the devices it concerns their new model.
 */
export class ReleaseDesk implements UplinkHandler {
	readonly #options: Omit<FrontDeskOptions, "staged">;
	readonly #rollout: Rollout<ServedRelease> | undefined;
	readonly #stable: FrontDesk;
	#candidate: CandidateDesk | undefined;
	/** Candidates that were taken back and answer what was under way. */
	#closing: Promise<unknown> = Promise.resolve();

	constructor(options: Omit<FrontDeskOptions, "staged">, rollout: Rollout<ServedRelease> | undefined) {
		this.#options = options;
		this.#rollout = rollout;
		this.#stable = new FrontDesk({ ...options, staged: false });
		if (rollout === undefined) return;
		this.#follow(rollout.candidate);
		rollout.onFault = options.context.fail;
		rollout.onChange = (status, cause, error) => {
			this.#follow(rollout.candidate);
			if (cause !== "device") this.#move();
			this.#tell(status, cause, error);
		};
	}

	/** Tells of a roll-out that goes on from before this process. */
	tellResumed(): void {
		const status = this.#rollout?.status();
		if (status !== undefined && status.phase !== "none") this.#tell(status, "resumed", undefined);
	}

	async onMessage(received: Received<DeviceMessage>, entries: Entries): Promise<void> {
		const { message } = received;
		const candidate = this.#isForCandidate(message) ? this.#candidate : undefined;
		if (candidate === undefined) await this.#stable.onMessage(received, entries);
		else {
			const running = candidate.desk.onMessage(received, entries);
			candidate.running.add(running);
			await running.finally(() => candidate.running.delete(running));
			if (message.type === "hello") this.#offered(message.device, candidate);
		}
		if (message.type !== "health") return;
		this.#rollout?.heard(message.device, message.artifact, message.state);
		// It has failed there: the device is served with the stable model again.
		this.#place(this.#options.context.roster.get(message.device));
	}

	onUnreadable(device: string, error: PsglError, about: MessageIdentity | undefined): void {
		this.#stable.onUnreadable(device, error, about);
	}

	onStatus(device: string, status: StatusMessage): void {
		this.#stable.onStatus(device, status);
	}

	/** Training is over: devices get its weights, but for those that have the candidate. */
	sendEnd(trained: TrainedWeights): void {
		for (const device of this.#options.context.roster.online)
			if (device.artifact !== this.#candidate?.release.digest) this.#stable.sendEnd(device, trained);
	}

	async close(): Promise<void> {
		this.#rollout?.[Symbol.dispose]();
		this.#follow(undefined);
		await this.#closing;
	}

	#isForCandidate(message: DeviceMessage): boolean {
		const digest = this.#candidate?.release.digest;
		if (digest === undefined) return false;
		if (message.type === "hello") return this.#includes(message.device, message.protocols);
		if (message.type === "infer") return message.artifact === digest;
		return this.#options.context.roster.get(message.device)?.artifact === digest;
	}

	/** A device of the protocol's first version could not tell with which model it made what it sends. */
	#includes(device: string, protocols: readonly number[]): boolean {
		return protocols.includes(creditVersion) && (this.#rollout?.includes(device) ?? false);
	}

	#offered(device: string, { release }: CandidateDesk): void {
		if (this.#options.context.roster.get(device)?.artifact === release.digest) this.#rollout?.offered(device);
	}

	#move(): void {
		for (const device of this.#options.context.roster.online) this.#place(device);
	}

	/** Invites a device that is on line to the model it is to have, unless it has it. */
	#place(device: RosterDevice | undefined): void {
		if (this.#rollout === undefined || !device?.online) return;
		const candidate = this.#includes(device.id, device.hello.protocols) ? this.#candidate : undefined;
		const { digest } = candidate?.release.client ?? this.#options.artifact;
		if (device.artifact === digest) return;
		(candidate?.desk ?? this.#stable).invite(device);
		if (candidate !== undefined) this.#offered(device.id, candidate);
	}

	#follow(release: ServedRelease | undefined): void {
		const before = this.#candidate;
		if (before?.release === release) return;
		if (before !== undefined) {
			const done = Promise.allSettled([this.#closing, ...before.running]);
			this.#closing = done.then(() => before.release.close());
		}
		this.#candidate = release && { release, desk: this.#deskOf(release), running: new Set() };
	}

	#deskOf({ joint, settings, server, client, decisions, trained }: ServedRelease): FrontDesk {
		const decider = new DecisionBatches(server, this.#options.context.clock);
		const context = { ...this.#options.context, manifest: joint.manifest, settings, server, decisions: decider };
		return new FrontDesk({
			...this.#options,
			context,
			artifact: client,
			staged: true,
			decisions: () => decisions,
			trained: () => trained,
		});
	}

	#tell(status: RolloutStatus, cause: RolloutCause, error: PsglError | undefined): void {
		const { phase, candidate, percentage, devices, reason } = status;
		const problem = error && { code: error.code, problem: error.what };
		this.#options.context.emit({ type: "rollout", cause, phase, candidate, percentage, devices, reason, ...problem });
	}
}

import type { DownlinkMessage, EventQueue, Scenario, Scheduled, UplinkMessage } from "@psgl/firmware-sim";
import type { Share } from "../aggregator/legs.js";
import type { LegPart } from "./fleet-learner.js";
import type { VirtualIntake } from "./virtual-intake.js";

type Batch = Extract<UplinkMessage, { type: "batch" }>;

export interface VirtualLegOptions {
	readonly queue: EventQueue;
	readonly epoch: number;
	/** Version of the weights the leg starts from. */
	readonly model: number;
	readonly shares: readonly Share[];
	readonly settings: Pick<
		Scenario["training"],
		"groupSize" | "batchSize" | "stepTimeoutSeconds" | "roundTimeoutSeconds"
	>;
	/** Milliseconds of a server step on the full batches of a group. */
	readonly stepMs: number;
	readonly intake: VirtualIntake;
	readonly send: (device: string, message: DownlinkMessage) => void;
	/** Keeps the aggregator busy; returns until when. */
	readonly work: (ms: number) => number;
	readonly onEnd: (parts: readonly LegPart[]) => Promise<void>;
}

interface Member {
	readonly share: Share;
	batch: Batch | undefined;
	returned: boolean;
	applied: number;
	leftBehind: boolean;
	timesLeft: number;
	gone: boolean;
}

/** A leg of a round in virtual time, in the lockstep of `TrainingRound` and `Lane`: groups take turns, and a turn waits for every device in it, up to a time. */
export class VirtualLeg {
	readonly #options: VirtualLegOptions;
	readonly #members: ReadonlyMap<string, Member>;
	readonly #groups: readonly (readonly Member[])[];
	#turn = 0;
	/** The pass over the groups has begun. */
	#begun = false;
	#deadline: Scheduled | undefined;
	/** Past the time that devices which were left behind are waited for, or that this turn waits. */
	#expired = false;
	#stepping = false;
	#over = false;

	constructor(options: VirtualLegOptions) {
		this.#options = options;
		const all = options.shares.map((share): Member => {
			return { share, batch: undefined, returned: false, applied: 0, leftBehind: false, timesLeft: 0, gone: false };
		});
		this.#members = new Map(all.map((member) => [member.share.device.id, member]));
		const { groupSize } = options.settings;
		this.#groups = Array.from({ length: Math.ceil(all.length / groupSize) }, (_, i) =>
			all.slice(i * groupSize, (i + 1) * groupSize),
		);
	}

	start(): void {
		for (const { share } of this.#members.values()) {
			this.#options.intake.open(share.device.id, this.#options.epoch);
			this.#tell(share, false);
		}
		this.changed();
	}

	resend(device: string): void {
		const member = this.#members.get(device);
		if (member !== undefined && !isDone(member)) this.#tell(member.share, true);
	}

	onBatch(message: Batch): void {
		const { intake } = this.#options;
		if (!intake.take(message)) return;
		const member = this.#members.get(message.device);
		if (member === undefined || isDone(member)) intake.refuse(message);
		else member.batch = message;
		this.changed();
	}

	/** False when they are not wanted. */
	onWeights({ device, epoch }: Extract<UplinkMessage, { type: "weights" }>): boolean {
		const member = this.#members.get(device);
		if (member === undefined || member.gone || epoch !== this.#options.epoch) return false;
		if (!member.returned) {
			this.#options.intake.leave(device);
			member.returned = true;
			this.changed();
		}
		this.#options.send(device, { type: "received", of: "weights", epoch });
		return true;
	}

	/** A device forgot the round. */
	gone(device: string): void {
		const member = this.#members.get(device);
		if (member === undefined) return;
		member.gone = true;
		this.#options.intake.leave(device);
		this.changed();
	}

	/** Something happened that a turn may wait for. */
	changed(): void {
		while (!this.#over && !this.#stepping && this.#advance());
	}

	/** One turn, or what comes between the turns; false when there is something to wait for. */
	#advance(): boolean {
		if (!this.#begun) {
			const open = [...this.#members.values()].filter((member) => !isDone(member));
			if (open.length === 0) return this.#end();
			if (open.every((member) => member.leftBehind && member.batch === undefined)) {
				if (this.#expired || !open.some(({ share }) => share.device.online)) return this.#end();
				this.#wait(this.#options.settings.roundTimeoutSeconds);
				return false;
			}
			this.#rest();
			this.#begun = true;
		}
		const group = this.#groups[this.#turn] as readonly Member[];
		const missing = group.filter((m) => !isDone(m) && !m.leftBehind && m.batch === undefined);
		if (missing.length > 0 && !this.#expired) {
			const { intake } = this.#options;
			const queued = missing.map(({ share }) => share.device.id).filter((id) => intake.isQueued(id));
			if (queued.length > 0) {
				intake.press(queued);
				// Their time starts when they may send.
				this.#rest();
			}
			this.#wait(this.#options.settings.stepTimeoutSeconds);
			return false;
		}
		for (const member of missing) {
			member.leftBehind = true;
			member.timesLeft++;
			this.#options.intake.leave(member.share.device.id);
		}
		this.#rest();
		this.#turn = (this.#turn + 1) % this.#groups.length;
		this.#begun = this.#turn > 0;
		this.#step(group.filter((m) => m.batch !== undefined));
		return true;
	}

	#step(ready: readonly Member[]): void {
		if (ready.length === 0) return;
		const { settings, stepMs, work, queue, intake } = this.#options;
		const batches = ready.map((member) => {
			const batch = member.batch as Batch;
			member.batch = undefined;
			member.leftBehind = false;
			return { member, batch };
		});
		const samples = batches.reduce((sum, { batch }) => sum + batch.samples, 0);
		this.#stepping = true;
		queue.at(work((stepMs * samples) / (settings.batchSize * settings.groupSize)), () => {
			this.#stepping = false;
			for (const { member, batch } of batches) {
				intake.answer(batch, batch.samples);
				member.applied++;
			}
			this.changed();
		});
	}

	/** Waits until something changes, or for so long. */
	#wait(seconds: number): void {
		this.#deadline ??= this.#options.queue.after(1000 * seconds, () => {
			this.#deadline = undefined;
			this.#expired = true;
			this.changed();
		});
	}

	/** What comes next waits anew. */
	#rest(): void {
		this.#deadline?.cancel();
		this.#deadline = undefined;
		this.#expired = false;
	}

	#end(): boolean {
		this.#over = true;
		this.#rest();
		const { intake, epoch, queue, onEnd } = this.#options;
		const parts = [...this.#members.values()].map((member): LegPart => {
			const { id } = member.share.device;
			member.gone = true;
			if (member.batch !== undefined) intake.refuse(member.batch);
			intake.close(id);
			return { device: id, applied: member.applied, returned: member.returned, leftBehind: member.timesLeft };
		});
		intake.closeEpoch(epoch);
		queue.after(0, () => onEnd(parts));
		return false;
	}

	#tell({ device, first, steps }: Share, withWeights: boolean): void {
		const { epoch, model, intake, send } = this.#options;
		const credit = intake.credit(device.id);
		const brings = withWeights || device.holds !== model;
		send(device.id, { type: "round", task: "train", epoch, first, steps, credit, withWeights: brings });
		device.holds = undefined;
	}
}

function isDone(member: Member): boolean {
	return member.gone || (member.returned && member.batch === undefined);
}

import type { Random } from "@psgl/sdk";
import type { MaliciousKind } from "../scenario/scenario.js";
import type { Scheduled } from "./event-queue.js";
import type { VirtualConnection } from "./virtual-connection.js";
import type { VirtualTrainer } from "./virtual-trainer.js";
import type { VirtualWorld } from "./virtual-world.js";

/** Milliseconds between two attempts of a kind, on average. */
const everyMs = { flood: 6 * 3_600_000, replay: 600_000, garbage: 300_000 } as const;

/** Messages of one flood: twice what the broker takes at once. */
const floodMessages = 10_000;

/** What a malicious device does beside its training in virtual time. What a poisoned device sends looks like any other's. */
export class HostileHabit {
	readonly #world: VirtualWorld;
	readonly #kind: Exclude<MaliciousKind, "poison">;
	readonly #connection: VirtualConnection;
	readonly #trainer: VirtualTrainer;
	readonly #random: Random;
	#next: Scheduled | undefined;

	constructor(
		world: VirtualWorld,
		kind: Exclude<MaliciousKind, "poison">,
		connection: VirtualConnection,
		trainer: VirtualTrainer,
		random: Random,
	) {
		this.#world = world;
		this.#kind = kind;
		this.#connection = connection;
		this.#trainer = trainer;
		this.#random = random;
	}

	start(): void {
		const wait = -everyMs[this.#kind] * Math.log(1 - this.#random.uniform());
		this.#next = this.#world.queue.after(wait, () => {
			if (this.#connection.isOpen) this.#act();
			this.start();
		});
	}

	stop(): void {
		this.#next?.cancel();
	}

	#flood(): void {
		const { recorder, cloud, sizes } = this.#world;
		const taken = cloud.flood(this.#connection, floodMessages);
		recorder.hostileMessages += taken;
		this.#connection.counted(taken * sizes.of({ type: "garbage", device: this.#connection.id }));
	}

	#act(): void {
		const { recorder } = this.#world;
		switch (this.#kind) {
			case "garbage":
				recorder.hostileMessages++;
				this.#connection.send({ type: "garbage", device: this.#connection.id }, false);
				return;
			case "replay": {
				const old = this.#trainer.lastBatch;
				if (old === undefined) return;
				recorder.hostileMessages++;
				this.#connection.send(old, false);
				return;
			}
			case "flood":
				this.#flood();
				return;
		}
	}
}

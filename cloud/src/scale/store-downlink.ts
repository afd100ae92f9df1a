import type { Msg, Subscription } from "@nats-io/transport-node";
import { systemClock } from "@psgl/sdk";
import type { Broker } from "../broker/broker.js";
import { cloudLimits } from "../limits.js";
import { isUnheard } from "../store/nats-faults.js";
import type { NatsLink } from "../store/nats-link.js";

/** How often nobody listens for a device before it counts as not being there. */
const listenAttempts = 3;

const delivered = new Uint8Array([1]);
const notThere = new Uint8Array([0]);

/** Sends to devices through whichever ingress holds them: each listens on a subject of every device that is connected to it. */
export class StoreDownlink implements Pick<Broker, "send"> {
	readonly #link: NatsLink;
	readonly #run: string;

	readonly #ended: AbortSignal;

	/** @param ended nothing is sent any more, and what is under way is given up */
	constructor(link: NatsLink, run: string, ended: AbortSignal) {
		this.#link = link;
		this.#run = run;
		this.#ended = ended;
	}

	/** Resolves with false when no ingress holds the device, or none says in time that it took the message: the device asks again. */
	async send(device: string, payload: Uint8Array): Promise<boolean> {
		const subject = downSubject(this.#run, device);
		const deadline = performance.now() + cloudLimits.storeSendMs;
		let unheard = 0;
		while (performance.now() < deadline && !this.#ended.aborted) {
			try {
				await this.#link.ready(AbortSignal.any([AbortSignal.timeout(cloudLimits.storeSendMs), this.#ended]));
				const ask = () => this.#link.connection.request(subject, payload, { timeout: cloudLimits.storeAnswerMs });
				const { data } = await this.#link.call(ask);
				return data[0] === delivered[0];
			} catch (error) {
				if (this.#link.isClosed) return false;
				// An ingress whose server died listens again in a moment; a device that nobody holds is not there.
				if (isUnheard(error) && ++unheard === listenAttempts) return false;
			}
			await systemClock.sleep(cloudLimits.storeReconnectMs, this.#ended).catch(() => undefined);
		}
		return false;
	}
}

/** The ingress's side: takes messages for the devices that are connected here, and lets another ingress know when one of its devices came over. */
export class StoreDelivery {
	readonly #link: NatsLink;
	readonly #run: string;
	readonly #broker: Pick<Broker, "send" | "disconnect">;
	readonly #id = crypto.randomUUID();
	readonly #devices = new Map<string, Subscription>();
	readonly #arrivals: Subscription;

	constructor(link: NatsLink, run: string, broker: Pick<Broker, "send" | "disconnect">) {
		this.#link = link;
		this.#run = run;
		this.#broker = broker;
		this.#arrivals = link.connection.subscribe(`psgl.${run}.arrived.*`, {
			callback: (error, message) => {
				if (error !== null || message.string() === this.#id) return;
				const device = message.subject.split(".").at(-1) as string;
				if (this.#devices.has(device)) this.#broker.disconnect(device, "connected to another ingress");
			},
		});
	}

	/** A device is connected here. */
	connected(device: string): void {
		this.disconnected(device);
		const subscription = this.#link.connection.subscribe(downSubject(this.#run, device), {
			callback: (error, message) => {
				if (error === null) passOn(this.#broker, device, message);
			},
		});
		this.#devices.set(device, subscription);
		this.#link.connection.publish(`psgl.${this.#run}.arrived.${device}`, this.#id);
	}

	disconnected(device: string): void {
		this.#devices.get(device)?.unsubscribe();
		this.#devices.delete(device);
	}

	close(): void {
		for (const device of [...this.#devices.keys()]) this.disconnected(device);
		this.#arrivals.unsubscribe();
	}
}

/** As `StoreDelivery`, where every process reaches every device: each message is taken by one of them, until disposed. */
export function sharedDelivery(link: NatsLink, run: string, broker: Pick<Broker, "send">): Disposable {
	const subscription = link.connection.subscribe(downSubject(run, "*"), {
		queue: "ingress",
		callback: (error, message) => {
			if (error === null) passOn(broker, message.subject.split(".").at(-1) as string, message);
		},
	});
	return {
		[Symbol.dispose]: () => {
			if (!link.isClosed) subscription.unsubscribe();
		},
	};
}

/** Hands a message on, and says whether it was taken. */
function passOn(broker: Pick<Broker, "send">, device: string, message: Msg): void {
	broker.send(device, message.data).then(
		(taken) => message.respond(taken ? delivered : notThere),
		() => message.respond(notThere),
	);
}

function downSubject(run: string, device: string): string {
	return `psgl.${run}.down.${device}`;
}

import type { Clock } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import type { NatsLink } from "../store/nats-link.js";

interface RepeatOptions {
	readonly clock: Clock;
	readonly signal: AbortSignal;
}

/** Says again and again, until `signal` aborts, who owns a partition: an ingress that missed it hears the next one. */
export function announceOwner(
	link: NatsLink,
	run: string,
	{ partition, epoch, ...options }: RepeatOptions & { readonly partition: number; readonly epoch: number },
): Promise<void> {
	return repeat(link, ownerSubject(run, partition), () => String(epoch), options);
}

/** Says again and again how many partitions this process owns: one with two gives one to a process with none. */
export function announceShare(
	link: NatsLink,
	run: string,
	{ share, ...options }: RepeatOptions & { readonly share: () => number },
): Promise<void> {
	return repeat(link, shareSubject(run), () => String(share()), options);
}

/** Calls back when a partition has an owner that was not heard of before. */
export function followOwners(
	link: NatsLink,
	run: string,
	onOwner: (partition: number, epoch: number) => void,
): Disposable {
	const epochs = new Map<number, number>();
	return follow(link, ownerSubject(run, "*"), (subject, text) => {
		const partition = Number(subject.split(".").at(-1));
		const epoch = Number(text);
		// One that was paused may say so once more.
		if (epoch <= (epochs.get(partition) ?? -1)) return;
		epochs.set(partition, epoch);
		onOwner(partition, epoch);
	});
}

/** Calls back with each process's number of partitions, also this one's. */
export function followShares(link: NatsLink, run: string, onShare: (share: number) => void): Disposable {
	return follow(link, shareSubject(run), (_, text) => onShare(Number(text)));
}

/** Says that a partition has offered a copy. Who does not hear it looks from time to time. */
export function announceOffer(link: NatsLink, run: string): void {
	if (!link.isClosed) link.connection.publish(offerSubject(run));
}

/** Offers of partitions from now on. */
export function followOffers(
	link: NatsLink,
	run: string,
): Disposable & { next(clock: Clock, signal: AbortSignal): Promise<void> } {
	let heard = new AbortController();
	const following = follow(link, offerSubject(run), () => heard.abort());
	return {
		/** Resolves when there was one since the last call, or after a while. */
		async next(clock, signal) {
			const stop = AbortSignal.any([heard.signal, signal]);
			await clock.sleep(cloudLimits.mergePollMs, stop).catch(() => undefined);
			heard = new AbortController();
		},
		[Symbol.dispose]: () => following[Symbol.dispose](),
	};
}

async function repeat(
	link: NatsLink,
	subject: string,
	text: () => string,
	{ clock, signal }: RepeatOptions,
): Promise<void> {
	while (!signal.aborted) {
		// Nothing piles up while there is no connection.
		await link.ready(signal).catch(() => undefined);
		if (signal.aborted || link.isClosed) return;
		link.connection.publish(subject, text());
		await clock.sleep(cloudLimits.ownerNoticeMs, signal).catch(() => undefined);
	}
}

function follow(link: NatsLink, subject: string, onNotice: (subject: string, text: string) => void): Disposable {
	const subscription = link.connection.subscribe(subject, {
		callback: (error, message) => {
			if (error === null) onNotice(message.subject, message.string());
		},
	});
	return {
		[Symbol.dispose]: () => {
			if (!link.isClosed) subscription.unsubscribe();
		},
	};
}

function ownerSubject(run: string, partition: number | "*"): string {
	return `psgl.${run}.owner.${partition}`;
}

function offerSubject(run: string): string {
	return `psgl.${run}.offered`;
}

function shareSubject(run: string): string {
	return `psgl.${run}.share`;
}

import { createFileLeases, NatsLink, openJetStreamLeases, openJetStreamLog } from "@psgl/cloud";

/**
 * Holds a lease in a process of its own that tests kill or pause: `fork(file, ["file", folder])` or `fork(file, ["nats", url])`. Tells its
 * parent the epoch. On NATS it also owns a log, writes into it when it gets a message, and tells what came of that.
 */
process.on("disconnect", () => process.exit());
const [kind = "", where = ""] = process.argv.slice(2);
const link = kind === "nats" ? await NatsLink.open({ servers: [where], client: "test" }) : undefined;
const leases =
	link === undefined
		? createFileLeases({ folder: where })
		: await openJetStreamLeases({ link, name: "test", leaseMs: 1000 });
const lease = await leases.acquire("one", { wait: true });
const lost = new Promise<string>((resolve) => {
	lease.lost.addEventListener("abort", () => resolve(lease.lost.reason.code));
});
if (link !== undefined) {
	const log = await openJetStreamLog({ link, name: "test-log", run: "run", claim: new Uint8Array([0]) });
	process.on("message", () => {
		log.append(new Uint8Array([0, 1]), { asOwner: true }).then(
			(position) => process.send?.({ type: "written", position }),
			async ({ code }) => process.send?.({ type: "refused", code, lost: await lost }),
		);
	});
}
process.send?.({ type: "held", epoch: lease.epoch });
setInterval(() => undefined, 60_000);

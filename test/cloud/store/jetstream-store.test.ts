import { Kvm } from "@nats-io/kv";
import {
	cloudLimits,
	followKeys,
	NatsLink,
	openJetStreamBlobStore,
	openJetStreamLeases,
	openJetStreamLog,
	openJetStreamRollouts,
	openJetStreamTwins,
	rolloutLimits,
} from "@psgl/cloud";
import test, { type ExecutionContext } from "ava";
import { Condition } from "../../helpers/condition.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { NatsServers } from "../../helpers/nats-servers.js";
import { withPrograms } from "../../helpers/outside-program.js";
import { logCompliance } from "../log-compliance.js";
import { blobStoreCompliance } from "./blob-store-compliance.js";
import { leasesCompliance } from "./leases-compliance.js";
import { factsOf, rolloutStoreCompliance } from "./rollout-store-compliance.js";
import { twinStoreCompliance } from "./twin-store-compliance.js";

let starting: Promise<NatsServers> | undefined;
let names = 0;

/** A link to a server that the tests share. */
async function openLink(t: ExecutionContext): Promise<NatsLink> {
	starting ??= NatsServers.start();
	const servers = await starting;
	const link = await NatsLink.open({ servers: servers.urls, client: "test" });
	t.teardown(() => link.close());
	return link;
}

const newName = () => `t${names++}`;

test.after.always(async () => (await starting)?.[Symbol.asyncDispose]());

const withNats = withPrograms("nats-server");

logCompliance(withNats, "JetStream log", async (t) =>
	openJetStreamLog({ link: await openLink(t), name: newName(), run: "run", maxBytes: 100 }),
);
blobStoreCompliance(withNats, "JetStream blobs", async (t) =>
	openJetStreamBlobStore({ link: await openLink(t), name: newName(), shardBytes: 30_000 }),
);
leasesCompliance(withNats, "JetStream leases", async (t) => {
	const name = newName();
	const open = async () => openJetStreamLeases({ link: await openLink(t), name, leaseMs: 1000 });
	return [await open(), await open()];
});

twinStoreCompliance(withNats, "JetStream twins", async (t) => {
	const [name, link] = [newName(), await openLink(t)];
	const open = async () => openJetStreamTwins({ link: await openLink(t), name });
	return {
		cloud: await open(),
		operator: await open(),
		async spoil(device) {
			await (await new Kvm(link.jetStream).open(`${name}-twins`)).put(`desired.${device}`, "{");
		},
	};
});

/** A roll-out's store, of a partition or of an operator, in a run of some name. */
async function openRollouts(t: ExecutionContext, name: string, partition?: number) {
	const link = await openLink(t);
	return openJetStreamRollouts({ link, name, blobs: await openJetStreamBlobStore({ link, name }), partition });
}

rolloutStoreCompliance(withNats, "JetStream roll-outs", async (t) => {
	const [name, link] = [newName(), await openLink(t)];
	return {
		store: await openRollouts(t, name, 0),
		next: () => openRollouts(t, name, 0),
		async spoil() {
			await (await new Kvm(link.jetStream).open(`${name}-rollout`)).put("shared.facts", "{}");
		},
		async loseCandidate(artifact) {
			await (await openJetStreamBlobStore({ link, name })).remove(`rollout/${artifact}`);
		},
	};
});

withNats(
	"partitions and operators share a roll-out: of two orders at a time one is taken, and counts are added up",
	async (t) => {
		const name = newName();
		const [one, other, operator] = [
			await openRollouts(t, name, 0),
			await openRollouts(t, name, 1),
			await openRollouts(t, name),
		];
		const kept = await one.replace(factsOf("a"), 0);
		await other.writeDevices("a", () => new Map([["x", "failed" as const]]));
		const change = new Condition();
		using _ = operator.watch(() => change.notify());
		await change.until(() => operator.elsewhere("a").counts.failed === 1);
		await one.writeDevices(
			"a",
			() =>
				new Map([
					["a", "failed" as const],
					["b", "trial" as const],
				]),
		);
		await change.until(() => operator.elsewhere("a").counts.failed === 2);
		t.deepEqual(operator.elsewhere("a"), {
			counts: { offered: 0, trial: 1, confirmed: 0, failed: 2 },
			failed: ["a", "x"],
		});
		t.is(operator.elsewhere("b").counts.failed, 0, "of another roll-out");
		const outcomes = await Promise.all(
			[one, operator].map((each, i) => each.replace(factsOf("a", 20 + i), kept?.revision ?? 0)),
		);
		t.is(outcomes.filter((outcome) => outcome !== undefined).length, 1);
		t.deepEqual((await other.read())?.facts, outcomes.find((outcome) => outcome !== undefined)?.facts);
		t.is((await openRollouts(t, name, 0)).elsewhere("a").counts.failed, 1, "known from the start");
	},
);

withNats(
	"failedNamed: of many devices on which a candidate failed the first ones are named elsewhere, and all counted",
	async (t) => {
		const name = newName();
		const { failedNamed } = rolloutLimits;
		const failed = new Map(Array.from({ length: failedNamed + 1 }, (_, i) => [`d${i}`, "failed" as const]));
		await (await openRollouts(t, name, 0)).writeDevices("a", () => failed);
		const elsewhere = (await openRollouts(t, name)).elsewhere("a");
		t.is(elsewhere.failed.length, failedNamed);
		t.is(elsewhere.counts.failed, failedNamed + 1);
	},
);

withNats("keysQuietMs: a watch that hears nothing for so long is begun anew, and not before", async (t) => {
	const link = await openLink(t);
	const keys = await new Kvm(link.jetStream).create(newName());
	await keys.put("a", "1");
	const clock = new ManualClock();
	const ended = new AbortController();
	let heard = 0;
	const change = new Condition();
	const following = followKeys({ link, keys, clock, signal: ended.signal, what: "test" }, () => {
		heard++;
		change.notify();
	});
	await change.until(() => heard >= 1);
	await clock.advance(cloudLimits.keysQuietMs - 1);
	t.is(heard, 1);
	await clock.advance(1);
	await clock.advance(cloudLimits.storeRetryMs);
	await change.until(() => heard >= 2);
	ended.abort();
	await following;
});

withNats("of several that want something of a device at a time, each is a version of its own", async (t) => {
	const name = newName();
	const open = async () => openJetStreamTwins({ link: await openLink(t), name });
	const twins = await Promise.all([open(), open(), open()]);
	const wanted = await Promise.all(twins.map((each, i) => each.set("ward-1", { window: i + 1 })));
	t.deepEqual(wanted.map(({ version }) => version).sort(), [1, 2, 3]);
	const last = wanted.find(({ version }) => version === 3);
	t.deepEqual(await twins[0]?.desired("ward-1"), last);
});

withNats(
	"storeEntryBytes, storeReadBytes: a longer entry is refused; more than one reading holds is read to its end",
	async (t) => {
		const { storeEntryBytes, storeReadBytes } = cloudLimits;
		await using log = await openJetStreamLog({ link: await openLink(t), name: newName(), run: "run" });
		await t.throwsAsync(log.append(new Uint8Array(storeEntryBytes + 1)), { code: "PSGL_LOG_ENTRY_TOO_LARGE" });
		const count = storeReadBytes / storeEntryBytes + 2;
		for (let i = 0; i < count; i++) t.is(await log.append(new Uint8Array(storeEntryBytes).fill(i)), i);
		for await (const { position, bytes } of log.read(0)) {
			t.deepEqual([bytes.length, bytes[0], bytes.at(-1)], [storeEntryBytes, position, position]);
			if (position === count - 1) break;
		}
	},
);

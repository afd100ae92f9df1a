import { cloudLimits, NatsLink, openJetStreamBlobStore, openJetStreamLeases, openJetStreamLog } from "@psgl/cloud";
import test, { type ExecutionContext } from "ava";
import { NatsServers } from "../../helpers/nats-servers.js";
import { withPrograms } from "../../helpers/outside-program.js";
import { logCompliance } from "../log-compliance.js";
import { blobStoreCompliance } from "./blob-store-compliance.js";
import { leasesCompliance } from "./leases-compliance.js";

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

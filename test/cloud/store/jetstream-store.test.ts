import { NatsLink, openJetStreamBlobStore, openJetStreamLeases, openJetStreamLog } from "@psgl/cloud";
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

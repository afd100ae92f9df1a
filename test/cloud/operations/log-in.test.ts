import { once } from "node:events";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { request as tlsRequest } from "node:https";
import { join } from "node:path";
import { CertificateAuthority, certifiedName, cloudLimits, Operations, Sessions, UserFolder } from "@psgl/cloud";
import test, { type ExecutionContext } from "ava";
import { ApiClient } from "../../helpers/api-client.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { goodPassword, operationsCloud, tokenOf } from "../../helpers/operations-cloud.js";
import { smallModel } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { brokerFiles } from "../../helpers/tls-broker.js";

const refused = (
	t: ExecutionContext,
	answer: { status: number; body: { code: string } },
	status: number,
	code: string,
) => {
	t.is(answer.status, status, JSON.stringify(answer.body));
	t.is(answer.body.code, code);
};

test("the first link sets the first password, once, and no password is there before", async (t) => {
	const { page, url, folder, trail } = await operationsCloud(t);
	const client = new ApiClient(url);
	t.deepEqual((await client.get("/session")).body, { user: null, usersExist: false });
	refused(t, await client.get("/run"), 401, "PSGL_API_LOGIN");
	for (const password of ["", "admin", "psgl"]) {
		const answer = await client.post("/session", { name: "operator", password });
		t.true(answer.status === 401 || answer.status === 400, password);
	}
	const token = tokenOf(await page.firstLink());
	t.like((await client.post("/invitation", { token })).body, { name: null, role: "operator" });
	const accept = (name: string, password: string) => client.post("/invitation/accept", { token, name, password });
	for (const [name, password] of [
		["ann", goodPassword.slice(0, cloudLimits.passwordCharacters - 1)],
		["ann", "aaaaaaaaaaaaaaaa"],
		["annabelle", "annabelle-2026"],
	] as const) {
		const weak = await accept(name, password);
		refused(t, weak, 400, "PSGL_API_PASSWORD");
		t.is(weak.body.path, "password");
		t.false(JSON.stringify(weak.body).includes(password), "a password is told to nobody");
	}
	t.is((await accept("ann", goodPassword)).status, 200);
	t.regex(client.cookie ?? "", /^psgl-session-\d+=[\w-]{43}$/);
	refused(t, await accept("eve", goodPassword), 410, "PSGL_API_LINK");
	t.is(await page.firstLink(), undefined, "somebody has a password now");
	await trail.flushed();
	t.regex(
		await readFile(join(folder, "trail.ndjson"), "utf8"),
		/"event":"password-set","user":"ann","role":"operator"/,
	);
	const file = join(folder, "users", "ann.json");
	t.false((await readFile(file, "utf8")).includes(goodPassword));
	t.is((await stat(file)).mode & 0o077, 0, "for its owner's eyes alone");
	t.deepEqual(await readdir(join(folder, "users", "invitations")), []);
});

test("two who open one link at the same time: one gets in", async (t) => {
	const { page, url } = await operationsCloud(t);
	const token = tokenOf(await page.firstLink());
	const answers = await Promise.all(
		["ann", "eve"].map((name) =>
			new ApiClient(url).post("/invitation/accept", { token, name, password: goodPassword }),
		),
	);
	t.deepEqual(answers.map(({ status }) => status).sort(), [200, 410]);
});

test("a link expires, and so does a session, by its age and by idleness", async (t) => {
	const clock = new ManualClock(1_700_000_000_000);
	const { page, operator, start, url } = await operationsCloud(t, { clock });
	await start();
	const late = tokenOf(await page.firstLink());
	await clock.advance(cloudLimits.invitationMs);
	refused(t, await new ApiClient(url).post("/invitation", { token: late }), 410, "PSGL_API_LINK");
	const client = await operator();
	for (let used = 0; used < cloudLimits.sessionMs - 1; used += cloudLimits.sessionIdleMs - 1) {
		t.is((await client.get("/run")).status, 200);
		await clock.advance(cloudLimits.sessionIdleMs - 1);
	}
	refused(t, await client.get("/run"), 401, "PSGL_API_LOGIN");
	await client.post("/session", { name: "ann", password: goodPassword });
	await clock.advance(cloudLimits.sessionIdleMs);
	refused(t, await client.get("/run"), 401, "PSGL_API_LOGIN");
});

test("wrong passwords, unknown names and names that are paths are told apart by nobody, and slow down", async (t) => {
	const clock = new ManualClock(Date.UTC(2026, 0, 1));
	const { operator, url, folder, trail } = await operationsCloud(t, { clock });
	await operator();
	const client = new ApiClient(url);
	const bodies = [];
	for (const name of ["ann", "bob", "../users/ann", "invitations/x"]) {
		const answer = await client.post("/session", { name, password: "no such password" });
		refused(t, answer, 401, "PSGL_API_CREDENTIALS");
		bodies.push(answer.body);
	}
	t.is(new Set(bodies.map((body) => JSON.stringify(body))).size, 1);
	let last = await client.post("/session", { name: "ann", password: "no such password" });
	for (let i = 0; i < cloudLimits.logInBurst && last.status === 401; i++) {
		last = await client.post("/session", { name: "ann", password: "no such password" });
	}
	refused(t, last, 429, "PSGL_API_RATE");
	refused(t, await client.post("/session", { name: "ann", password: goodPassword }), 429, "PSGL_API_RATE");
	await clock.advance(60_000 / cloudLimits.logInsPerMinute);
	t.is((await client.post("/session", { name: "ann", password: goodPassword })).status, 200);
	refused(t, await client.post("/session", { name: "ann", password: goodPassword }), 429, "PSGL_API_RATE");
	await trail.flushed();
	t.regex(await readFile(join(folder, "trail.ndjson"), "utf8"), /"event":"log-in-refused","user":"bob"/);
});

test("only so many passwords are hashed at a time", async (t) => {
	const { operator, url } = await operationsCloud(t);
	await operator();
	const guesses = Array.from({ length: 3 * cloudLimits.passwordsAtOnce }, (_, i) =>
		new ApiClient(url).post("/session", { name: `user${i}`, password: "no such password" }),
	);
	const statuses = (await Promise.all(guesses)).map(({ status }) => status);
	const hashed = statuses.filter((status) => status === 401).length;
	t.is(hashed + statuses.filter((status) => status === 429).length, guesses.length, String(statuses));
	t.true(hashed >= cloudLimits.passwordsAtOnce, String(statuses));
	// A place that comes free may be taken by one of the others: a busy machine reads their requests late.
	t.true(hashed < guesses.length, String(statuses));
});

test("a viewer looks and changes nothing; who is changed or removed is out", async (t) => {
	const { operator, start, url, folder } = await operationsCloud(t);
	await start();
	const ann = await operator();
	const { token } = (await ann.post("/users/invitations", { name: "bob", role: "viewer" })).body;
	const bob = new ApiClient(url);
	refused(
		t,
		await bob.post("/invitation/accept", { token, name: "eve", password: goodPassword }),
		409,
		"PSGL_API_CONFLICT",
	);
	t.like((await bob.post("/invitation/accept", { token, name: "bob", password: goodPassword })).body, {
		role: "viewer",
	});
	t.is((await bob.get("/devices")).status, 200);
	for (const [method, path, body] of [
		["POST", "/run/stop"],
		["POST", "/storage/checkpoints"],
		["GET", "/users"],
		["POST", "/users/invitations", { name: "eve", role: "operator" }],
		["DELETE", "/users/ann"],
	] as const) {
		refused(t, await bob.call(method, path, body), 403, "PSGL_API_ROLE");
	}
	refused(t, await ann.call("DELETE", "/users/ann"), 409, "PSGL_API_CONFLICT");
	refused(t, await ann.call("DELETE", "/users/nobody"), 404, "PSGL_API_NOT_FOUND");
	const events = bob.events();
	t.truthy((await events.next()).value);
	const users = await UserFolder.open(folder);
	await users.put("bob", "operator", "quite another password");
	refused(t, await bob.get("/devices"), 401, "PSGL_API_LOGIN");
	await ann.post("/storage/checkpoints");
	t.true((await events.next()).done, "the stream ends with the session");
});

test("a request of another site's page is refused, whatever cookie it carries", async (t) => {
	const { operator, start, url } = await operationsCloud(t);
	await start();
	const ann = await operator();
	for (const headers of [
		{},
		{ "Psgl-Request": "1", Origin: "https://evil.example" },
		{ "Psgl-Request": "1", Origin: "null" },
		{ "Psgl-Request": "1", "Sec-Fetch-Site": "same-site" },
		{ Origin: url },
	]) {
		refused(t, await ann.call("POST", "/storage/checkpoints", undefined, headers), 403, "PSGL_API_ORIGIN");
	}
	const own = { "Psgl-Request": "1", Origin: url, "Sec-Fetch-Site": "same-origin" };
	t.is((await ann.call("POST", "/storage/checkpoints", undefined, own)).status, 200);
});

test("bodies that do not fit name the place, and long ones are not read", async (t) => {
	const { operator, url } = await operationsCloud(t);
	const ann = await operator();
	const place = async (body: unknown) => {
		const answer = await ann.post("/users/invitations", body);
		t.is(answer.body.code, "PSGL_API_INVALID");
		return [answer.status, answer.body.path, answer.body.got];
	};
	t.deepEqual(await place({ name: 7, role: "viewer" }), [400, "name", "number"]);
	t.deepEqual(await place({ name: "../x", role: "viewer" }), [400, "name", "a text of 4 characters"]);
	t.deepEqual(await place({ name: "bob", role: "root" }), [400, "role", "a text of 4 characters"]);
	t.deepEqual(await place({ name: "bob" }), [400, "role", "undefined"]);
	t.is((await ann.post("/users/invitations", { name: "bob", role: "viewer", more: 1 })).status, 400);
	refused(t, await ann.post("/users/invitations", "{"), 400, "PSGL_API_INVALID");
	refused(t, await ann.post("/session", "x".repeat(cloudLimits.apiBodyBytes + 1)), 413, "PSGL_API_TOO_LARGE");
	refused(t, await ann.get("/run/rounds?after=x"), 400, "PSGL_API_INVALID");
	refused(t, await ann.get("/nothing"), 404, "PSGL_API_NOT_FOUND");
	refused(t, await ann.call("DELETE", "/run"), 405, "PSGL_API_METHOD");
	t.is((await fetch(`${url}/../../users/ann.json`)).status, 404);
	t.is((await fetch(`${url}/%2e%2e/users/ann.json`)).status, 404);
});

/** Status and headers of a plain request with a header that fetch does not let anybody set. */
async function statusFor(url: string, headers: Readonly<Record<string, string>>): Promise<number | undefined> {
	const asked = request(url, { headers }).end();
	const [response] = await once(asked, "response");
	response.resume();
	return response.statusCode;
}

test("a name that was pointed at this machine is not the page's; metrics are for this machine or who is logged in", async (t) => {
	const { operator, url } = await operationsCloud(t);
	t.is(await statusFor(url, { Host: "evil.example" }), 421);
	t.is(await statusFor(`${url}/metrics`, { Host: "evil.example:80" }), 421);
	t.is(await statusFor(url, { Host: `localhost:${new URL(url).port}` }), 200);
	t.is(await statusFor(`${url}/metrics`, {}), 200);
	t.is(await statusFor(`${url}/metrics`, { "X-Forwarded-For": "10.0.0.7" }), 401);
	const { cookie = "" } = await operator();
	t.is(await statusFor(`${url}/metrics`, { "X-Forwarded-For": "10.0.0.7", Cookie: cookie }), 200);
	t.is(await statusFor(`${url}/healthz`, {}), 200);
});

test("the page allows scripts of its own alone, and stands in no frame", async (t) => {
	const { url } = await operationsCloud(t);
	const index = await fetch(url);
	const policy = index.headers.get("content-security-policy") ?? "";
	t.true(policy.startsWith("default-src 'none'; script-src 'self'; style-src 'self';"));
	t.regex(policy, /frame-ancestors 'none'/);
	t.notRegex(policy, /unsafe|\*/);
	t.is(index.headers.get("x-content-type-options"), "nosniff");
	const text = await index.text();
	t.notRegex(text, /<script>|<style|\sstyle=|\son\w+=|https?:\/\//);
	const again = await fetch(url, { headers: { "If-None-Match": index.headers.get("etag") ?? "" } });
	t.is(again.status, 304);
	const [script = ""] = /\/assets\/[^"]+\.js/.exec(text) ?? [];
	t.regex((await fetch(`${url}${script}`)).headers.get("cache-control") ?? "", /immutable/);
});

test("outside loopback there is TLS 1.3 or nothing; the cookie then travels over TLS alone", async (t) => {
	const folder = await temporaryFolder(t);
	const { page: plain } = await operationsCloud(t);
	t.regex(plain.url, /^http:\/\/127\.0\.0\.1:/);
	const ca = await CertificateAuthority.create(join(folder, "pki"), { name: "test", days: 10 });
	await ca.issueBroker(["127.0.0.1", "cloud.example", "10.0.0.5"], 5);
	const tls = await brokerFiles(ca);
	t.is(certifiedName(tls.certificate), "cloud.example", "the name in the link where it listens on every address");
	const { page, url } = await operationsCloud(t, { tls });
	t.regex(url, /^https:\/\/127\.0\.0\.1:/);
	const ask = async (options: Readonly<Record<string, unknown>>) => {
		const asked = tlsRequest(`${url}/api/v1/session`, { ca: ca.certificatePem, agent: false, ...options }).end();
		const [response] = await once(asked, "response");
		response.resume();
		return response.statusCode;
	};
	t.is(await ask({}), 200);
	await t.throwsAsync(ask({ maxVersion: "TLSv1.2" }));
	await t.throwsAsync(ask({ ca: [] }), { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
	const body = JSON.stringify({ token: tokenOf(await page.firstLink()), name: "ann", password: goodPassword });
	const headers = { "Psgl-Request": "1", "Content-Type": "application/json" };
	const posting = tlsRequest(`${url}/api/v1/invitation/accept`, { method: "POST", ca: ca.certificatePem, headers });
	posting.end(body);
	const [accepted] = await once(posting, "response");
	accepted.resume();
	t.regex(
		accepted.headers["set-cookie"][0],
		/^__Host-psgl-session-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
	);
	await ca.issueBroker(["127.0.0.1"], 9);
	page.renewTls(await brokerFiles(ca));
	t.is(certifiedName((await brokerFiles(ca)).certificate), undefined);
	t.is(await ask({}), 200, "the renewed certificate is in use");
});

test("what stands in the way of the page is a typed error, and nothing listens on", async (t) => {
	const { folder, trail } = await operationsCloud(t);
	const { joint: artifact } = await smallModel();
	const page = { port: 0, stateFolder: folder, artifact, trail, onError: () => undefined };
	const start = (more: object) => Operations.start({ port: undefined, version: "1", page: { ...page, ...more } });
	await t.throwsAsync(start({ host: "0.0.0.0" }), { code: "PSGL_PAGE_PLAIN" });
	await t.throwsAsync(start({ pageFolder: folder }), { code: "PSGL_PAGE_MISSING" });
	await writeFile(join(folder, "users", "ann.json"), "{");
	await t.throwsAsync(start({}), { code: "PSGL_USERS_DAMAGED", message: /ann\.json/ });
});

test("sessions are bounded: the oldest gives way; users are, too", async (t) => {
	const clock = new ManualClock(0);
	const sessions = new Sessions(clock);
	const user = { name: "ann", changedAt: "2026-01-01T00:00:00Z" } as Parameters<Sessions["open"]>[0];
	const tokens = Array.from({ length: cloudLimits.operationsSessions + 1 }, () => sessions.open(user));
	t.is(sessions.find(tokens[0] as string), undefined);
	t.is(sessions.find(tokens[1] as string)?.name, "ann");
	const folder = await temporaryFolder(t);
	const users = await UserFolder.open(folder);
	for (let i = 0; i < cloudLimits.maxUsers; i++) await users.invite("viewer", `user${i}`);
	await t.throwsAsync(users.invite("viewer", "late"), { code: "PSGL_USERS_FULL" });
	await users.invite("viewer", "user0");
	await t.throwsAsync(users.remove("ann"), { code: "PSGL_USER_UNKNOWN" });
});

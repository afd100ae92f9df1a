import { ConnectionError, LimitError, ProtocolError, PsglError } from "@psgl/sdk";
import type { AuthenticateError } from "aedes";
import { cloudLimits as limits } from "../limits.js";

/** What aedes says when a connection breaks, and no more: nobody spoke wrongly. */
const broken: ReadonlySet<string> = new Set([
	"connect did not arrive in time",
	"connection closed",
	"keep alive timeout",
	"premature close",
]);

/** The error of aedes, its parser or a socket as one of psgl. */
export function connectionFault(error: Error): PsglError {
	if (error instanceof PsglError) return error;
	if (error.message === "drain timeout") return slowClient("a socket that stays full", error);
	if ("syscall" in error || broken.has(error.message.toLowerCase())) {
		return new ConnectionError("PSGL_BROKER_LINK", {
			what: "a connection broke",
			got: error.message,
			remedy: "Devices connect again by themselves; check the link if it happens often",
			cause: error,
		});
	}
	return notMqtt(error.message, "packets as MQTT 3.1.1 has them", error);
}

/** Bytes that are not MQTT 3.1.1. */
export function notMqtt(got: string, expected: string, cause?: Error): ProtocolError {
	return new ProtocolError("PSGL_BROKER_PACKET", {
		what: "a connection does not speak MQTT 3.1.1",
		got,
		expected,
		remedy: "Connect with an MQTT 3.1.1 client",
		cause,
	});
}

/** A client that takes nothing. */
export function slowClient(got: string, cause?: Error): LimitError {
	return new LimitError("PSGL_BROKER_SLOW_CLIENT", {
		what: "a client does not take what it is sent",
		got,
		remedy: "Check the device; it may connect again",
		cause,
	});
}

/** Another connection came under the same id [MQTT-3.1.4-2]. */
export function replaced(client: string, peer: string): ConnectionError {
	return new ConnectionError("PSGL_BROKER_REPLACED", {
		what: `another connection of client ${client} took the place of this one`,
		got: `a connection from ${peer}`,
		remedy:
			"Nothing, when a device came back after its link was lost; else two devices share one id, or somebody has its key",
	});
}

/** The cloud ends a connection itself. */
export function asked(client: string, why: string): ConnectionError {
	return new ConnectionError("PSGL_BROKER_MOVED", {
		what: `client ${client} has to connect again`,
		got: why,
		remedy: "Nothing: the device comes back by itself",
	});
}

/** The client id names no device. Answered with return code 2 (MQTT 3.1.1 section 3.2.2.3). */
export function badClientId(client: string): AuthenticateError {
	return refusal(
		2,
		new ProtocolError("PSGL_BROKER_CLIENT_ID", {
			what: "a client id is no device id",
			got: JSON.stringify(client.slice(0, 80)),
			expected: "1 to 64 letters, digits, - and _",
			remedy: "Use the device id as MQTT client id; see docs/protocol.md",
		}),
	);
}

/** The certificate is another device's. Answered with return code 5. */
export function foreignId(client: string, certificate: string): AuthenticateError {
	return refusal(
		5,
		new ConnectionError("PSGL_BROKER_WRONG_NAME", {
			what: `client id ${client} is not the device its certificate names`,
			got: client,
			expected: certificate,
			remedy: "Connect under the name in the certificate, or give the device a kit of its own",
		}),
	);
}

/** No place for another client id. Answered with return code 3. */
export function tooManySessions(client: string): AuthenticateError {
	return refusal(
		3,
		new LimitError("PSGL_BROKER_SESSIONS", {
			what: "the broker has no place for another session",
			got: `client id ${client}`,
			expected: `at most ${limits.maxSessions} client ids`,
			remedy: "Start the broker again to forget clients that are gone, or use another broker",
		}),
	);
}

/** Answered with return code 5. */
export function notAuthorised(error: PsglError): AuthenticateError {
	return refusal(5, error);
}

/** An error that aedes turns into a return code of CONNACK. */
function refusal(returnCode: 2 | 3 | 5, error: PsglError): AuthenticateError {
	return Object.assign(error, { returnCode });
}

import { ConfigError, ConnectionError } from "@psgl/sdk";

/** Somebody else has the lease. */
export function leaseHeld(name: string, holder: string): ConfigError {
	return new ConfigError("PSGL_LEASE_HELD", {
		what: `the lease ${name} is held`,
		got: `holder ${holder}`,
		remedy: "Stop the other process, give this one another name, or let it stand by with --role aggregator",
	});
}

/** The lease was held once, and is somebody else's or expired. */
export function leaseLost(name: string, got: string): ConnectionError {
	return new ConnectionError("PSGL_LEASE_LOST", {
		what: `the lease ${name} was lost`,
		got,
		expected: "to be its only holder",
		remedy: "Nothing is written any more; start the process again, it takes over or stands by",
	});
}

import type { Socket } from "node:net";
import { type Duplex, Writable } from "node:stream";
import { implementationClassUid } from "./part10.js";
import { receiverLimits } from "./receiver-limits.js";
import { transferSyntaxes } from "./transfer-syntaxes.js";

/** What a C-STORE request brought. */
export interface ReceivedDataSet {
	readonly bytes: Uint8Array;
	readonly transferSyntax: string;
	readonly sopClass: string;
	readonly sopInstance: string;
}

export interface StoreProviderOptions {
	readonly title: string | undefined;
	readonly callers: readonly string[];
	/** Takes an object, gives the status of the answer. */
	readonly store: (received: ReceivedDataSet) => Promise<number>;
}

/** Storage SOP classes are all below this root (PS3.6 annex A); C-ECHO has one of its own. */
const storageRoot = "1.2.840.10008.5.1.4.1.1.";
const verification = "1.2.840.10008.1.1";

/**
 * The service class provider, by dcmjs-dimse, as a function that serves one connection. The library is loaded here and its log
 * is off: it would write titles and ids.
 */
export async function storeProvider(options: StoreProviderOptions): Promise<(link: Duplex) => void> {
	const { default: dimse } = await import("dcmjs-dimse");
	const { Scp, Implementation, constants, responses, log } = dimse;
	log.setLevel("silent");
	Implementation.setImplementationClassUid(implementationClassUid);
	Implementation.setImplementationVersion("PSGL");
	Implementation.setMaxPduLength(receiverLimits.maxPduBytes);
	const { RejectResult, RejectSource, RejectReason, PresentationContextResult } = constants;
	const readable = transferSyntaxes.map(({ uid }) => uid);

	class StoreProvider extends Scp {
		readonly #link: Duplex;
		#chunks: Buffer[] = [];
		#syntax = "";

		constructor(link: Duplex) {
			// The library asks of a socket only what a stream has, and timeouts, which the receiver keeps itself.
			super(Object.assign(link, { setTimeout: () => link }) as unknown as Socket);
			this.#link = link;
			this.on("networkError", () => link.destroy());
		}

		override associationRequested(association: InstanceType<typeof dimse.association.Association>): void {
			const { title, callers } = options;
			const calling = association.getCallingAeTitle().trim();
			const wrongTitle = title !== undefined && association.getCalledAeTitle().trim() !== title;
			if (wrongTitle || (callers.length > 0 && !callers.includes(calling))) {
				const reason = wrongTitle ? RejectReason.CalledAeNotRecognized : RejectReason.CallingAeNotRecognized;
				this.sendAssociationReject(RejectResult.Permanent, RejectSource.ServiceUser, reason);
				return;
			}
			for (const { id } of association.getPresentationContexts()) {
				const context = association.getPresentationContext(id);
				const kind = context.getAbstractSyntaxUid();
				const known = kind === verification || kind.startsWith(storageRoot);
				const syntax = context.getTransferSyntaxUids().find((offered) => readable.includes(offered));
				if (known && syntax !== undefined) context.setResult(PresentationContextResult.Accept, syntax);
				else {
					const { RejectAbstractSyntaxNotSupported, RejectTransferSyntaxesNotSupported } = PresentationContextResult;
					context.setResult(known ? RejectTransferSyntaxesNotSupported : RejectAbstractSyntaxNotSupported);
				}
			}
			this.sendAssociationAccept();
		}

		override associationReleaseRequested(): void {
			this.sendAssociationReleaseResponse();
		}

		override abort(): void {
			this.#link.destroy();
		}

		override cEchoRequest(...[request, answer]: Parameters<InstanceType<typeof Scp>["cEchoRequest"]>): void {
			const response = responses.CEchoResponse.fromRequest(request);
			response.setStatus(constants.Status.Success);
			answer(response);
		}

		/** Keeps the object's bytes as they come, instead of having the library take them apart. */
		override createStoreWritableStream(
			context: Parameters<InstanceType<typeof Scp>["createStoreWritableStream"]>[0],
		): Writable {
			const chunks: Buffer[] = [];
			this.#chunks = chunks;
			this.#syntax = context.getAcceptedTransferSyntaxUid() ?? "";
			return new Writable({
				highWaterMark: receiverLimits.maxObjectBytes * 2,
				write(chunk: Buffer, _encoding, done) {
					chunks.push(chunk);
					done();
				},
			});
		}

		override createDatasetFromStoreWritableStream(
			...[, , done]: Parameters<InstanceType<typeof Scp>["createDatasetFromStoreWritableStream"]>
		): void {
			done(undefined as never);
		}

		override cStoreRequest(...[request, answer]: Parameters<InstanceType<typeof Scp>["cStoreRequest"]>): void {
			const received = {
				bytes: Buffer.concat(this.#chunks),
				transferSyntax: this.#syntax,
				sopClass: String(request.getAffectedSopClassUid()),
				sopInstance: String(request.getAffectedSopInstanceUid()),
			};
			this.#chunks = [];
			options.store(received).then(
				(status) => {
					const response = responses.CStoreResponse.fromRequest(request);
					response.setStatus(status);
					answer(response);
				},
				() => this.#link.destroy(),
			);
		}
	}
	return (link) => {
		new StoreProvider(link);
	};
}

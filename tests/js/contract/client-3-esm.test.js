// socket.io-client 3.1.3, imported as ESM, against every event of the contract.
import { contractOf } from "./events.js";

contractOf("3.1.3 (ESM)");

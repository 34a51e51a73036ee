// socket.io-client 2.5.0, imported as CommonJS, against every event of the contract.
import { contractOf } from "./events.js";

contractOf("2.5.0 (CommonJS)");

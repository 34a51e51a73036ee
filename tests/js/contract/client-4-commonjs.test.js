// socket.io-client 4.8.4, imported as CommonJS, against every event of the contract.
import { contractOf } from "./events.js";

contractOf("4.8.4 (CommonJS)");

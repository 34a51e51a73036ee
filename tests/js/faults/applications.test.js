// The scenarios of applications.js in their short form.
import { testTheme } from "./short.js";

testTheme("applications");

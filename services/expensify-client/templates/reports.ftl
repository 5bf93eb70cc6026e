<#-- expensewire:reports:v1 @NONCE@ -->
<#--
  The report export, one JSON record a line: begin, one row (or fault) per report, end.

  Nothing is known for certain about the engine that renders this: not its version, its error handler, its locale, its
  output format. So the text rests on what holds under all of them (each idiom was measured on the real engine):

  * Sent as one line of ASCII (reports.min.ftl: this text without comments, every line trimmed, the lines joined). Every
    line break that is meant is written as an interpolation, so white space, here and there, means nothing.
  * Values are scalars, written by xwValue and by nothing else, in the order number, boolean, date, string. A number is
    written by ?c, never by the locale; a string by ?json_string and five replacements, after which it holds none of
    & < > ' " and escaping or unescaping by HTML or XML cannot touch it.
  * A value that fails to evaluate must never leave a plausible value behind. Under an error handler that skips what
    fails (IGNORE), the whole element vanishes: so a value is always evaluated in the ARGUMENT of a macro call whose
    surroundings are static text. What vanishes leaves "[1,,2]" or "[[]]": no JSON, or a row of the wrong length. A list
    is closed inside its own last round, so that one which breaks off half way is never closed.
  * Under a handler that throws, #attempt turns the failing report into a fault record and the others survive.
  * Nothing is assigned but counters: a failed #assign keeps the value of the record before.
  * A look-up goes through xwHash ("this, or an empty hash") and "!xwNil": text where a hash was expected is no error.
  * Only what FreeMarker 2.3.23 can parse. #attempt cannot catch a parse error; it would end the job.
  * Loop variables do not end in "_", have no namesakes anywhere: a null element would fall back to those.

  Rows are positional, to save half of the bytes; the begin record names the columns.
-->
<#assign xwNil=[]>
<#assign xwReport=["reportID","oldReportID","reportName","status","state","stateNum","accountEmail","accountID",
"managerEmail","policyID","policyName","currency","total","created","submitted","approved","reimbursed",
"isACHReimbursed","entryID"]>
<#assign xwApprover=["email","date"]>
<#assign xwAction=["action","accountEmail","created"]>
<#assign xwExpense=["transactionID","type","merchant","modifiedMerchant","amount","modifiedAmount","convertedAmount",
"currency","created","modifiedCreated","inserted","category","categoryGlCode","tag","tagGlCode","comment",
"reimbursable","billable","taxAmount","modifiedTaxAmount","taxName","taxRate","mcc","modifiedMCC","bank","receiptID"]>

<#function xwHash x><#if x?is_hash><#return x></#if><#return {}></#function>

<#-- A text that is escaped already. -->
<#macro xwText s>"${s}"</#macro>

<#macro xwQuote s>
<@xwText s?json_string?replace('\\"','\\u0022')?replace('&','\\u0026')?replace('<','\\u003C')?replace('>','\\u003E')?replace("'",'\\u0027')/>
</#macro>

<#-- NaN and the infinities have no digits: quoted, so that the line stays JSON and the reader sees what is wrong. -->
<#macro xwNumber s>
<#if s?matches('-?[0-9]+(?:\\.[0-9]+)?')>${s}<#else><@xwQuote s/></#if>
</#macro>

<#-- One scalar. An object that prints as "null" is some library's null; an empty structure is blank; any other
     structure is written as {}, which the reader refuses. -->
<#macro xwValue x>
<#if x?is_number><@xwNumber x?c/>
<#elseif x?is_boolean><#if x>true<#else>false</#if>
<#elseif x?is_date><@xwQuote x?string('yyyy-MM-dd HH:mm:ss')/>
<#elseif x?is_string><#if x?is_hash&&x=='null'>null<#else><@xwQuote x/></#if>
<#elseif (x?is_sequence||x?is_hash_ex)&&x?size==0>null
<#else>{}</#if>
</#macro>

<#macro xwNames ks>
<#list ks as xwK><#if xwK_index!=0>,</#if><@xwQuote xwK/></#list>
</#macro>

<#macro xwCells x ks>
<#list ks as xwK><#if xwK_index!=0>,</#if><@xwValue x[xwK]!xwNil/></#list>
</#macro>

<#macro xwList x ks>
<#if x?is_sequence||x?is_collection>
[<#list x as xwE><#if xwE_index!=0>,</#if>[<@xwCells x=xwHash(xwE!xwNil) ks=ks/>]<#if !xwE_has_next>]</#if><#else>]</#list>
<#else><@xwValue x/></#if>
</#macro>

<#macro xwRow x>
<@xwCells x=x ks=xwReport/>]
,"approvers":<@xwList x=(x.approvers!xwNil) ks=xwApprover/>
,"actionList":<@xwList x=(x.actionList!xwNil) ks=xwAction/>
,"transactionList":<@xwList x=(x.transactionList!xwNil) ks=xwExpense/>
</#macro>

<#macro xwMessage s>
<#if s?length gt 300><@xwQuote s?substring(0,300)/><#else><@xwQuote s/></#if>
</#macro>

{"t":"begin","v":1,"nonce":"@NONCE@"
,"addHeader":<@xwValue addHeader!xwNil/>
,"kind":"<#if reports??><#if reports?is_sequence>sequence<#elseif reports?is_collection>collection</#if></#if>"
,"size":<#if reports??&&reports?is_sequence><@xwValue reports?size/><#else>null</#if>
,"engine":<@xwValue .version/>
,"locale":<@xwValue .locale/>
,"canary":<@xwValue "<>&'\"\\/ \x00E9 \x20AC \xD83D\xDE00 \x2028 \t  ."/>
,"columns":{"report":[<@xwNames xwReport/>]
,"approvers":[<@xwNames xwApprover/>]
,"actionList":[<@xwNames xwAction/>]
,"transactionList":[<@xwNames xwExpense/>]}}${'\n'}

<#-- xwDone says that the loop came to its own end. -->
<#assign xwRows=0>
<#assign xwFaults=0>
<#assign xwDone=false>
<#if reports??&&(reports?is_sequence||reports?is_collection)>
<#list reports as xwR>
<#attempt>
{"t":"row","i":${xwRows?c},"report":[<@xwRow xwHash(xwR!xwNil)/>}${'\n'}
<#recover>
<#assign xwFaults=xwFaults+1>
{"t":"fault","i":${xwRows?c}
,"reportID":<#attempt><@xwValue xwHash(xwR!xwNil).reportID!xwNil/><#recover>null</#attempt>
,"message":<@xwMessage .error/>}${'\n'}
</#attempt>
<#assign xwRows=xwRows+1>
<#if !xwR_has_next><#assign xwDone=true></#if>
<#else>
<#assign xwDone=true>
</#list>
</#if>
{"t":"end","nonce":"@NONCE@","rows":<@xwValue xwRows/>,"faults":<@xwValue xwFaults/>,"done":<@xwValue xwDone/>}${'\n'}

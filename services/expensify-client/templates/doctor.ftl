<#-- expensewire:doctor:v1 @NONCE@ -->
<#--
  The probe of first contact, sent with limit 1 and no onFinish: what engine renders our templates, under which
  settings, and of which kinds the values are that the reports template reads. It shows kinds, keys and settings,
  never a value of the data. Each probe is a record of its own, so that one which fails spoils no other; what a probe
  shows raw stands between static quotes. The idioms are those of reports.ftl.
-->
<#assign xwNil=[]>
<#assign xwReport=["reportID","oldReportID","reportName","status","displayStatus","state","stateNum","accountEmail",
"accountID","submitterEmail","submitter","submitterUserID","submitterPayrollID","employeeCustomField1",
"employeeCustomField2","managerEmail","managerID","managerUserID","managerPayrollID","manager","policyID","policyName",
"currency","total","created","submitted","approved","reimbursed","isACHReimbursed","entryID","customField","tag",
"approvers","actionList","transactionList"]>
<#assign xwApprover=["email","date","firstName","lastName","fullName","employeeUserID","employeePayrollID"]>
<#assign xwAction=["action","accountEmail","created","details"]>
<#assign xwExpense=["transactionID","reportID","type","isDistance","merchant","modifiedMerchant","amount",
"modifiedAmount","convertedAmount","currency","currencyConversionRate","created","modifiedCreated","inserted",
"category","categoryGlCode","categoryPayrollCode","tag","tagGlCode","ntag1","ntag1GlCode","comment","reimbursable",
"billable","hasTax","taxAmount","modifiedTaxAmount","taxName","taxRate","taxRateName","taxCode","mcc","modifiedMCC",
"bank","cardID","cardNumber","cardName","externalID","units","attendees","receiptID","receiptFilename","receiptObject",
"nameValuePairs","details"]>

<#function xwHash x><#if x?is_hash><#return x></#if><#return {}></#function>
<#macro xwText s>"${s}"</#macro>
<#macro xwQuote s>
<@xwText s?json_string?replace('\\"','\\u0022')?replace('&','\\u0026')?replace('<','\\u003C')?replace('>','\\u003E')?replace("'",'\\u0027')/>
</#macro>
<#macro xwScalar x>
<#if x?is_number>${x?c}<#elseif x?is_boolean><#if x>true<#else>false</#if>
<#elseif x?is_string><@xwQuote x/><#else>null</#if>
</#macro>

<#macro xwKind x>
<#if x?is_number>number </#if><#if x?is_boolean>boolean </#if><#if x?is_date>date </#if><#if x?is_string>string </#if>
<#if x?is_sequence>sequence </#if><#if x?is_collection>collection </#if><#if x?is_hash>hash </#if>
<#if x?is_method>method </#if>
</#macro>

<#macro xwKinds of x ks>
{"t":"kinds","of":"${of}","kinds":[
<#list ks as xwK><#if xwK_index!=0>,</#if>[<@xwQuote xwK/>,
"<#attempt><#if x[xwK]??><@xwKind x[xwK]/><#else>missing</#if><#recover>ERROR</#attempt>"]</#list>]}${'\n'}
</#macro>

<#macro xwFirst of x ks>
<#if x?is_sequence||x?is_collection>
<#list x as xwE><#if xwE_index==0><@xwKinds of=of x=xwHash(xwE!xwNil) ks=ks/></#if></#list>
</#if>
</#macro>

<#macro xwKeys x>
{"t":"keys","of":"report","names":[
<#if x?is_hash_ex><#list x?keys as xwK><#if xwK_index lt 200><#if xwK_index!=0>,</#if><@xwQuote xwK/></#if></#list></#if>
]}${'\n'}
</#macro>

{"t":"begin","v":1,"nonce":"@NONCE@"
,"addHeader":<@xwScalar addHeader!xwNil/>
,"kind":"<#if reports??><#if reports?is_sequence>sequence<#elseif reports?is_collection>collection</#if></#if>"
,"size":<#if reports??&&reports?is_sequence><@xwScalar reports?size/><#else>null</#if>
,"engine":<@xwScalar .version/>
,"locale":<@xwScalar .locale/>
,"canary":<@xwScalar "<>&'\"\\/ \x00E9 \x20AC \xD83D\xDE00 \x2028 \t  ."/>}${'\n'}
{"t":"probe","name":"undefined","shown":"<#attempt>[${xwUndefined}]<#recover>ERROR</#attempt>"}${'\n'}
{"t":"probe","name":"boolean","shown":"<#attempt>[${true}]<#recover>ERROR</#attempt>"}${'\n'}
{"t":"probe","name":"number","shown":"<#attempt>[${1234567.5}]<#recover>ERROR</#attempt>"}${'\n'}
{"t":"probe","name":"escaping","shown":"<#attempt>[${'<&'}]<#recover>ERROR</#attempt>"}${'\n'}
{"t":"probe","name":"encoding","shown":<#attempt><@xwScalar .output_encoding!xwNil/><#recover>"ERROR"</#attempt>}${'\n'}
<#if reports??&&(reports?is_sequence||reports?is_collection)>
<#list reports as xwR><#if xwR_index==0>
<#attempt><@xwKeys xwHash(xwR!xwNil)/><#recover></#attempt>
<#attempt><@xwKinds of="report" x=xwHash(xwR!xwNil) ks=xwReport/><#recover></#attempt>
<#attempt><@xwFirst of="approvers" x=(xwHash(xwR!xwNil).approvers!xwNil) ks=xwApprover/><#recover></#attempt>
<#attempt><@xwFirst of="actionList" x=(xwHash(xwR!xwNil).actionList!xwNil) ks=xwAction/><#recover></#attempt>
<#attempt><@xwFirst of="transactionList" x=(xwHash(xwR!xwNil).transactionList!xwNil) ks=xwExpense/><#recover></#attempt>
</#if></#list>
</#if>
{"t":"end","nonce":"@NONCE@"}${'\n'}
